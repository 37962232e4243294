//! Delete: what goes of a case by a rule of the configuration.

use super::{Folders, carry, sync_dir};
use std::fs;
use std::io;

impl Folders {
    /// Names of all that lies in the folder of `code` but for `stays`, sorted.
    pub fn deletable(&self, code: &str, stays: &[&str]) -> Vec<String> {
        let entries = fs::read_dir(self.case(code))
            .into_iter()
            .flatten()
            .flatten();
        let mut names: Vec<String> = entries
            .filter_map(|e| e.file_name().into_string().ok())
            .filter(|name| !stays.contains(&name.as_str()))
            .collect();
        names.sort();
        names
    }

    /// Deletes these of `code`; one that is not there any more is no error.
    pub fn delete_files(&self, code: &str, names: &[String]) -> io::Result<()> {
        if names.is_empty() {
            return Ok(());
        }
        for name in names {
            carry::remove(&self.case(code).join(name))?;
        }
        sync_dir(Some(&self.case(code)))
    }
}
