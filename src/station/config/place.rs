//! Place: where the configuration lies when nobody says so, and `~` in the paths that people write.

use super::{Config, ConfigError};
use std::path::{Path, PathBuf};

/// The configuration of a box.
pub const SYSTEM: &str = "/etc/calvaria/calvaria.toml";
/// Environment variable with another place of it.
pub const VARIABLE: &str = "CALVARIA_CONFIG";

impl Config {
    /// The configuration that is in force: `given` on the command line, else what `CALVARIA_CONFIG` names, else
    /// `/etc/calvaria/calvaria.toml` where it is there, else the defaults. The second is the file it was read from.
    ///
    /// # Errors
    /// [`ConfigError`] of the file that was found; never a step on to the next place.
    pub fn find(given: Option<&Path>) -> Result<(Self, Option<PathBuf>), ConfigError> {
        let named = std::env::var_os(VARIABLE).filter(|v| !v.is_empty());
        let system = || Path::new(SYSTEM).exists().then(|| PathBuf::from(SYSTEM));
        let path = match given {
            Some(path) => Some(home(path)?),
            None => named.map(PathBuf::from).or_else(system),
        };
        match path {
            Some(path) => Ok((Self::read(&path)?, Some(path))),
            None => Ok((Self::default(), None)),
        }
    }

    /// Replaces `~` in every path of the file.
    pub(super) fn at_home(mut self) -> Result<Self, ConfigError> {
        self.data = home(&self.data)?;
        self.drop.folder = home(&self.drop.folder)?;
        self.web.certificate = home(&self.web.certificate)?;
        self.web.key = home(&self.web.key)?;
        for (text, prefix) in [
            (&mut self.display.output, "png:"),
            (&mut self.printer.port, "pty:"),
        ] {
            if let Some(path) = text.strip_prefix(prefix) {
                *text = format!("{prefix}{}", home(Path::new(path))?.display());
            }
        }
        Ok(self)
    }
}

/// `path` with `~` at its start replaced by the home folder. A shell does that too, but not inside a file and not
/// behind `--data=`.
///
/// # Errors
/// When `HOME` is not set, and for `~name`, which only a shell knows.
pub fn home(path: &Path) -> Result<PathBuf, ConfigError> {
    let home = std::env::var_os("HOME").filter(|v| !v.is_empty());
    at(path, home.as_deref().map(Path::new))
}

fn at(path: &Path, home: Option<&Path>) -> Result<PathBuf, ConfigError> {
    let mut parts = path.components();
    let Some(first) = parts.next().and_then(|c| c.as_os_str().to_str()) else {
        return Ok(path.into());
    };
    let wrong = |want| ConfigError::Home {
        path: path.into(),
        want,
    };
    match (first, home) {
        ("~", Some(home)) => Ok(home.join(parts.as_path())),
        ("~", None) => Err(wrong("HOME is not set, so nobody knows where ~ is")),
        (name, _) if name.starts_with('~') => {
            Err(wrong("only a shell knows the home of another user"))
        }
        _ => Ok(path.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tilde_at_the_start_is_the_home_folder_and_nowhere_else() {
        let home = Some(Path::new("/home/anna"));
        for (written, meant) in [
            ("~", "/home/anna"),
            ("~/calvaria", "/home/anna/calvaria"),
            ("/srv/~/x", "/srv/~/x"),
            ("data~1", "data~1"),
            ("", ""),
        ] {
            assert_eq!(at(Path::new(written), home).unwrap(), Path::new(meant));
        }
        assert!(at(Path::new("~bea/x"), home).is_err());
        assert!(at(Path::new("~/x"), None).is_err());
    }

    #[test]
    fn every_path_of_a_file_may_begin_with_a_tilde() {
        let Some(home) = std::env::var_os("HOME").map(PathBuf::from) else {
            return;
        };
        let text = "data = '~/c'\n[drop]\nfolder = '~/in'\n[display]\noutput = 'png:~/lcd'\n[printer]\nport = 'pty:~/tty'";
        let config = Config::parse(text, Path::new("calvaria.toml")).unwrap();
        assert_eq!(config.data, home.join("c"));
        assert_eq!(config.drop_folder(), home.join("in"));
        assert_eq!(
            config.display.output,
            format!("png:{}", home.join("lcd").display())
        );
        assert_eq!(
            config.printer.port,
            format!("pty:{}", home.join("tty").display())
        );
    }
}
