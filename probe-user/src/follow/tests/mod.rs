//! Whole logs through everything that happens to them, counted line by line.

mod away;
mod interleavings;
mod many;
mod writer;
