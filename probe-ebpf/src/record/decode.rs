//! From bytes to numbers. The ring buffer is ours, but a truncated read must be an error and never
//! a panic.

use super::Header;

/// Why bytes are not a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeError {
    /// They end before the record does.
    Truncated,
    /// They are more than the record.
    TrailingBytes,
    /// No [`Kind`](super::Kind) has that number.
    UnknownKind(u32),
    /// A length inside the record is more than the record can hold.
    BadLength(u32),
}

impl core::fmt::Display for DecodeError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Truncated => f.write_str("the record is cut short"),
            Self::TrailingBytes => f.write_str("the record is longer than its kind"),
            Self::UnknownKind(kind) => write!(f, "no record has the kind {kind}"),
            Self::BadLength(length) => {
                write!(
                    f,
                    "the record claims {length} bytes, more than it has room for"
                )
            }
        }
    }
}

impl core::error::Error for DecodeError {}

/// Takes values off the front of a buffer.
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
}

/// A value that a record can hold, in the machine's own byte order.
pub(super) trait Field: Sized {
    fn take(reader: &mut Reader<'_>) -> Result<Self, DecodeError>;
}

impl<const N: usize> Field for [u8; N] {
    fn take(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader
            .take(N)?
            .try_into()
            .map_err(|_| DecodeError::Truncated)
    }
}

impl<const N: usize> Field for [u16; N] {
    fn take(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let mut numbers = [0; N];
        for number in &mut numbers {
            *number = reader.field()?;
        }
        Ok(numbers)
    }
}

macro_rules! numbers {
    ($($number:ty)*) => {$(
        impl Field for $number {
            fn take(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
                reader.field().map(Self::from_ne_bytes)
            }
        }
    )*};
}

numbers! { u16 u32 i32 u64 }

impl<'a> Reader<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    pub(super) fn header(&mut self) -> Result<Header, DecodeError> {
        Ok(Header {
            kind: self.field()?,
            pid: self.field()?,
            time_ns: self.field()?,
        })
    }

    pub(super) fn field<T: Field>(&mut self) -> Result<T, DecodeError> {
        T::take(self)
    }

    /// The bytes that count of a [`Counted<N>`](super::Counted).
    pub(super) fn counted<const N: usize>(&mut self) -> Result<&'a [u8], DecodeError> {
        let (length, _padding) = (self.field::<u32>()?, self.field::<u32>()?);
        self.take(N)?
            .get(..length as usize)
            .ok_or(DecodeError::BadLength(length))
    }

    /// An error when bytes are left.
    pub(super) const fn finish(self) -> Result<(), DecodeError> {
        if self.bytes.is_empty() {
            Ok(())
        } else {
            Err(DecodeError::TrailingBytes)
        }
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], DecodeError> {
        let (taken, rest) = self
            .bytes
            .split_at_checked(length)
            .ok_or(DecodeError::Truncated)?;
        self.bytes = rest;
        Ok(taken)
    }
}
