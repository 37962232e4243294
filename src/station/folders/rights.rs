//! Rights of the drop folder: a group of technicians may drop, and sees nothing else of the station.
//!
//! Holds: the data folder stays closed but for the way through it (0711); each folder in it but the drop folder is 0700,
//!        each file 0600. The drop folder is the group's (2770): what is dropped into it belongs to the group.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;

/// Where groups are listed.
const GROUPS: &str = "/etc/group";
/// Mode of a drop folder that is a group's: the group may do everything, and what lies in it belongs to the group.
const OPEN: u32 = 0o2770;

/// Why the drop folder does not belong to its group.
#[derive(Debug, thiserror::Error)]
pub(in crate::station) enum RightsError {
    /// Nobody knows the group.
    #[error(
        "There is no group {0} in /etc/group, so nobody else may drop. Make it, or write its number into drop.group."
    )]
    NoGroup(String),
    /// The system forbids it.
    #[error(
        "The drop folder could not be given to group {group} ({source}). Make the station's user a member of the group, or give the folder to it by hand (chgrp, chmod 2770)."
    )]
    Denied {
        /// Which group.
        group: String,
        /// Why.
        source: io::Error,
    },
}

/// Gives the drop folder to `group` (a name or a number). `data` is opened for passing through when the drop folder
/// lies within it.
///
/// # Errors
/// [`RightsError`]; nothing more is open than was.
pub(in crate::station) fn give_to_group(
    data: &Path,
    drop: &Path,
    group: &str,
) -> Result<(), RightsError> {
    let listed = fs::read_to_string(GROUPS).unwrap_or_default();
    let gid = number_of(&listed, group).ok_or_else(|| RightsError::NoGroup(group.into()))?;
    let denied = |source| RightsError::Denied {
        group: group.into(),
        source,
    };
    let found = fs::metadata(drop).map_err(denied)?;
    // What was given to them by hand is left: a unit may forbid the bit that hands the group on.
    if found.gid() != gid || found.mode() & 0o7777 != OPEN {
        chown(drop, None, Some(gid)).map_err(denied)?;
        // Without that bit what is dropped has to be readable for all.
        let mode = |mode| fs::set_permissions(drop, Permissions::from_mode(mode));
        mode(OPEN).or_else(|_| mode(0o770)).map_err(denied)?;
    }
    if drop.starts_with(data) {
        fs::set_permissions(data, Permissions::from_mode(0o711)).map_err(denied)?;
    }
    Ok(())
}

/// The number of a group in the text of `/etc/group`.
fn number_of(listed: &str, group: &str) -> Option<u32> {
    if let Ok(number) = group.parse() {
        return Some(number);
    }
    listed.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        match fields.as_slice() {
            [name, _, number, ..] if *name == group => number.parse().ok(),
            _ => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_found_by_name_and_by_number() {
        let listed = "root:x:0:\nct:x:1207:anna,bea\n";
        assert_eq!(number_of(listed, "ct"), Some(1207));
        assert_eq!(number_of(listed, "1300"), Some(1300));
        assert_eq!(number_of(listed, "c"), None);
    }
}
