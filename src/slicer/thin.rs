use super::path::Path;
use super::plane::{Region, Um};
pub(super) fn fill(_: &Region, _: Um, _: Um, _: bool) -> Vec<Path> {
    Vec::new()
}
