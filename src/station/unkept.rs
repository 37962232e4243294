//! Unkept: what became of acts that the store did not take, because a disk is full or gone. A repeat is answered the
//! same until the station ends; by then the time of the act is over.

use super::store::acts;
use crate::status::{ActId, Reply};
use std::collections::VecDeque;

/// Answers that are kept, the newest.
const KEPT_MAX: usize = 1000;

/// Answers by id, each with the digest of what was asked.
#[derive(Debug, Default)]
pub(super) struct Unkept(VecDeque<(ActId, String, Reply)>);

impl Unkept {
    /// Keeps what the act of this id was answered.
    pub(super) fn keep(&mut self, id: ActId, digest: &str, reply: &Reply) {
        self.0.push_back((id, digest.into(), reply.clone()));
        if self.0.len() > KEPT_MAX {
            self.0.pop_front();
        }
    }

    /// What it was answered; an id that came with another act before is refused, as the store does.
    pub(super) fn outcome(&self, id: &ActId, digest: &str) -> Option<Reply> {
        let (_, first, reply) = self.0.iter().find(|(kept, ..)| kept == id)?;
        Some(match first == digest {
            true => reply.clone(),
            false => Err(acts::id_used()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::Refused;

    #[test]
    fn a_repeat_is_answered_like_the_first_and_the_oldest_go() {
        let id = |n: usize| ActId::new(&format!("act-{n}")).unwrap();
        let mut unkept = Unkept::default();
        for n in 0..KEPT_MAX + 5 {
            unkept.keep(id(n), "release", &Err(Refused::late()));
        }
        assert_eq!(unkept.outcome(&id(4), "release"), None);
        assert_eq!(
            unkept.outcome(&id(5), "release"),
            Some(Err(Refused::late()))
        );
        let other = unkept.outcome(&id(5), "reject").unwrap().unwrap_err();
        assert_eq!(other.code, "id_used");
    }
}
