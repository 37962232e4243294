//! Where a model folder is looked for.

use super::card::Card;
use std::path::{Path, PathBuf};

/// No model folder was found.
#[derive(Debug, thiserror::Error)]
#[error("no model folder with a card (*.toml) was found; looked in: {}. Give one with --model or CALVARIA_MODELS.", list(.looked))]
pub struct NoModel {
    /// The places that were tried, in order.
    pub looked: Vec<PathBuf>,
}

fn list(paths: &[PathBuf]) -> String {
    let texts: Vec<String> = paths.iter().map(|p| p.display().to_string()).collect();
    texts.join(", ")
}

/// The model folder: the one `asked` for and no other, else the first with a card of `$CALVARIA_MODELS`, `./models`,
/// `../share/calvaria/models` beside the binary, `/usr/share/calvaria/models`.
///
/// # Errors
/// [`NoModel`] names every place that was tried. A folder that was asked for by `--model` or by the variable is
/// never replaced by another one.
pub fn find(asked: Option<&Path>) -> Result<PathBuf, NoModel> {
    search(&places(asked))
}

/// The places where a model folder may be, in order; one place only when one was asked for.
pub fn places(asked: Option<&Path>) -> Vec<PathBuf> {
    let variable = std::env::var_os("CALVARIA_MODELS").map(PathBuf::from);
    let binary = std::env::current_exe().ok();
    order(asked, variable, binary.as_deref())
}

fn order(asked: Option<&Path>, variable: Option<PathBuf>, binary: Option<&Path>) -> Vec<PathBuf> {
    if let Some(named) = asked.map(PathBuf::from).or(variable) {
        return vec![named];
    }
    let beside = binary
        .and_then(Path::parent)
        .map(|dir| dir.join("../share/calvaria/models"));
    [
        Some("models".into()),
        beside,
        Some("/usr/share/calvaria/models".into()),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn search(places: &[PathBuf]) -> Result<PathBuf, NoModel> {
    // A broken folder (two cards) is taken and then refused by name, not skipped for the next one.
    let holds_card = |dir: &&PathBuf| !matches!(Card::path(dir), Err(super::CardError::Missing(_)));
    places
        .iter()
        .find(holds_card)
        .cloned()
        .ok_or_else(|| NoModel {
            looked: places.to_vec(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_asked_for_is_never_replaced() {
        let asked = order(Some(Path::new("a")), Some("b".into()), None);
        assert_eq!(asked, [PathBuf::from("a")]);
        assert_eq!(order(None, Some("b".into()), None), [PathBuf::from("b")]);
    }

    #[test]
    fn without_a_wish_the_places_come_in_the_documented_order() {
        let all = order(None, None, Some(Path::new("/opt/bin/calvaria")));
        let want = [
            "models",
            "/opt/bin/../share/calvaria/models",
            "/usr/share/calvaria/models",
        ];
        assert_eq!(all, want.map(PathBuf::from));
    }

    #[test]
    fn the_first_folder_with_a_card_wins_and_none_is_an_error() {
        let (empty, full) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::fs::write(full.path().join("v3.toml"), "").unwrap();
        let two = [empty.path().to_path_buf(), full.path().to_path_buf()];
        assert_eq!(search(&two).unwrap(), full.path());
        let error = search(&two[..1]).unwrap_err();
        assert!(error.to_string().contains(&*empty.path().to_string_lossy()));
    }
}
