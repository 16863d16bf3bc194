//! What one list of records is turned into.

/// From each record's name, label and fields: its struct, its [`Kind`](super::Kind), its variant of
/// [`Record`](super::Record), and how it is decoded. The fields are decoded in the order they
/// stand in; the compiler is asked whether it would put padding between them.
///
/// A record whose last part is [`Counted`](super::Counted) is generic over it, so that a decoded
/// one borrows those bytes and need not copy them.
macro_rules! records {
    ($(
        $(#[$doc:meta])*
        $name:ident = $label:literal {
            $($(#[$field_doc:meta])* $field:ident: $type:ty,)*
        } $(+ {
            $(#[$tail_doc:meta])* $tail:ident: Counted<$room:ident>,
        })?
    )*) => {
        /// What a record tells, and the index of its loss counter.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u32)]
        pub enum Kind {
            $($(#[$doc])* $name,)*
        }

        impl Kind {
            /// All kinds, in the order of their numbers, which begin with 0.
            pub const ALL: [Self; [$($label),*].len()] = [$(Self::$name),*];

            /// The kind's name, as in the metric label `kind`.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $label,)*
                }
            }
        }

        $(
            $(#[$doc])*
            #[derive(Clone, Copy, Debug, PartialEq, Eq)]
            #[repr(C)]
            pub struct $name $(<Tail = Counted<$room>>)? {
                /// See [`Header`].
                pub header: Header,
                $($(#[$field_doc])* pub $field: $type,)*
                $($(#[$tail_doc])* pub $tail: Tail,)?
            }

            const _: () = assert!(
                size_of::<$name>()
                    == size_of::<Header>()
                        $(+ size_of::<$type>())*
                        $(+ size_of::<Counted<$room>>())?,
                concat!("write the padding of `", stringify!($name), "` out"),
            );
        )*

        /// A decoded record. What is [`Counted`] in it stays in the buffer that was decoded.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[allow(missing_docs, reason = "each variant is the record of the same name")]
        pub enum Record<'a> {
            $($name($name $(<borrowed!('a $room)>)?),)*
        }

        impl<'a> Record<'a> {
            /// Decodes one record, which must fill `bytes` exactly.
            ///
            /// # Errors
            /// When the bytes are too few, too many, or of no known kind.
            pub fn decode(bytes: &'a [u8]) -> Result<Self, DecodeError> {
                let mut reader = Reader::new(bytes);
                let header = reader.header()?;
                let kind = Kind::ALL
                    .into_iter()
                    .find(|kind| *kind as u32 == header.kind)
                    .ok_or(DecodeError::UnknownKind(header.kind))?;
                let record = match kind {
                    $(Kind::$name => Self::$name($name {
                        header,
                        $($field: reader.field()?,)*
                        $($tail: reader.counted::<$room>()?,)?
                    }),)*
                };
                reader.finish()?;
                Ok(record)
            }

            /// The part that every record has.
            #[must_use]
            pub const fn header(&self) -> &Header {
                match self {
                    $(Self::$name(record) => &record.header,)*
                }
            }

            /// The record's kind.
            #[must_use]
            pub const fn kind(&self) -> Kind {
                match self {
                    $(Self::$name(_) => Kind::$name,)*
                }
            }
        }
    };
}

/// A [`Counted`](super::Counted) part as it is decoded.
macro_rules! borrowed {
    ($buffer:lifetime $room:ident) => {
        &$buffer[u8]
    };
}
