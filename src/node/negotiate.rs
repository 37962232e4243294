//! Negotiate: who is let in, and what is agreed with it (PS3.8 section 7.1). Pure.

use super::caller::Caller;
use super::classes::{IMPLICIT_LITTLE, VERIFICATION, bare, best_syntax, is_stored};
use super::pdu::PDU_BYTES_MAX;
use dicom_ul::pdu::{
    AssociationAC, AssociationRQ, PresentationContextProposed, PresentationContextResult,
    PresentationContextResultReason as Reason, UserVariableItem,
};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// The only application context there is (PS3.7 annex A).
const APPLICATION_CONTEXT: &str = "1.2.840.10008.3.1.1.1";
/// Which program this is: a random UUID as a UID (PS3.5 B.2).
pub(super) const IMPLEMENTATION: &str = "2.25.101906530233187051178873385244978264039";
/// Its name, at most 16 characters.
pub(super) const IMPLEMENTATION_NAME: &str = concat!("CALVARIA_", env!("CARGO_PKG_VERSION"));

/// What was agreed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Agreed {
    /// The caller's AE title.
    pub(super) calling: String,
    /// Contexts by their number.
    pub(super) contexts: BTreeMap<u8, Context>,
}

/// A class, and how its instances are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Context {
    pub(super) class: String,
    pub(super) syntax: String,
}

/// Why a caller is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Rejection {
    /// No caller of this title, or not from there.
    #[error("no caller of this AE title and address is named in [node] callers")]
    Calling,
    /// It calls somebody else.
    #[error("it called another AE title")]
    Called,
    /// Not DICOM's application context.
    #[error("it asked for another application context")]
    Application,
    /// Too many at one time.
    #[error("too many associations at one time")]
    Congestion,
}

impl Rejection {
    /// Result, source and reason (PS3.8 table 9-21).
    pub(super) fn code(self) -> [u8; 3] {
        match self {
            Self::Calling => [1, 1, 3],
            Self::Called => [1, 1, 7],
            Self::Application => [1, 1, 2],
            Self::Congestion => [2, 3, 1],
        }
    }
}

/// Answers a request that came from `address`.
///
/// # Errors
/// [`Rejection`].
pub(super) fn answer(
    request: &AssociationRQ,
    aet: &str,
    callers: &[Caller],
    address: IpAddr,
) -> Result<(Agreed, AssociationAC), Rejection> {
    if bare(&request.application_context_name) != APPLICATION_CONTEXT {
        return Err(Rejection::Application);
    }
    let is_named = |c: &&Caller| c.aet == request.calling_ae_title && c.network.has(address);
    let caller = callers.iter().find(is_named).ok_or(Rejection::Calling)?;
    if request.called_ae_title != aet {
        return Err(Rejection::Called);
    }
    let mut contexts = BTreeMap::new();
    let mut results = Vec::new();
    for proposed in &request.presentation_contexts {
        let agreed = agree(proposed);
        let (reason, syntax) = match &agreed {
            Ok(context) => (Reason::Acceptance, context.syntax.clone()),
            Err(reason) => (reason.clone(), IMPLICIT_LITTLE.to_owned()),
        };
        if let Ok(context) = agreed {
            contexts.entry(proposed.id).or_insert(context);
        }
        results.push(PresentationContextResult {
            id: proposed.id,
            reason,
            transfer_syntax: syntax,
        });
    }
    let agreed = Agreed {
        calling: caller.aet.clone(),
        contexts,
    };
    let accepted = AssociationAC {
        protocol_version: 1,
        calling_ae_title: request.calling_ae_title.clone(),
        called_ae_title: request.called_ae_title.clone(),
        application_context_name: APPLICATION_CONTEXT.into(),
        presentation_contexts: results,
        user_variables: vec![
            UserVariableItem::MaxLength(PDU_BYTES_MAX),
            UserVariableItem::ImplementationClassUID(IMPLEMENTATION.into()),
            UserVariableItem::ImplementationVersionName(IMPLEMENTATION_NAME.into()),
        ],
    };
    Ok((agreed, accepted))
}

fn agree(proposed: &PresentationContextProposed) -> Result<Context, Reason> {
    let class = bare(&proposed.abstract_syntax);
    if !(class == VERIFICATION || is_stored(class)) {
        return Err(Reason::AbstractSyntaxNotSupported);
    }
    if proposed.id.is_multiple_of(2) {
        return Err(Reason::NoReason);
    }
    let syntax = best_syntax(class, &proposed.transfer_syntaxes);
    let syntax = syntax.ok_or(Reason::TransferSyntaxesNotSupported)?;
    Ok(Context {
        class: class.into(),
        syntax: syntax.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const CT: &str = "1.2.840.10008.5.1.4.1.1.2";

    fn request(contexts: &[(u8, &str, &[&str])]) -> AssociationRQ {
        let proposed = |(id, class, syntaxes): &(u8, &str, &[&str])| PresentationContextProposed {
            id: *id,
            abstract_syntax: (*class).into(),
            transfer_syntaxes: syntaxes.iter().map(|s| (*s).to_owned()).collect(),
        };
        AssociationRQ {
            protocol_version: 1,
            calling_ae_title: "PACS".into(),
            called_ae_title: "CALVARIA".into(),
            application_context_name: APPLICATION_CONTEXT.into(),
            presentation_contexts: contexts.iter().map(proposed).collect(),
            user_variables: vec![],
        }
    }

    fn ask(request: &AssociationRQ, from: &str) -> Result<(Agreed, AssociationAC), Rejection> {
        let callers = [Caller {
            aet: "PACS".into(),
            network: "10.1.0.0/16".parse().unwrap(),
        }];
        answer(request, "CALVARIA", &callers, from.parse().unwrap())
    }

    #[test]
    fn only_who_is_named_comes_in_and_only_from_there() {
        let request = request(&[(1, VERIFICATION, &[IMPLICIT_LITTLE])]);
        assert!(ask(&request, "10.1.9.9").is_ok());
        assert_eq!(ask(&request, "10.2.0.1").unwrap_err(), Rejection::Calling);
        let other = AssociationRQ {
            calling_ae_title: "OTHER".into(),
            ..request.clone()
        };
        assert_eq!(ask(&other, "10.1.9.9").unwrap_err(), Rejection::Calling);
        let elsewhere = AssociationRQ {
            called_ae_title: "ANY-SCP".into(),
            ..request
        };
        assert_eq!(ask(&elsewhere, "10.1.9.9").unwrap_err(), Rejection::Called);
    }

    #[test]
    fn each_context_is_answered_by_what_it_asks_for() {
        let request = request(&[
            (1, CT, &["1.2.840.10008.1.2.4.110", "1.2.840.10008.1.2.1"]),
            (3, "1.2.840.10008.5.1.4.1.1.4", &[IMPLICIT_LITTLE]),
            (5, CT, &["1.2.840.10008.1.2.4.110"]),
            (6, CT, &[IMPLICIT_LITTLE]),
            (7, VERIFICATION, &[IMPLICIT_LITTLE]),
        ]);
        let (agreed, accepted) = ask(&request, "10.1.0.1").unwrap();
        assert_eq!(agreed.contexts.keys().copied().collect::<Vec<_>>(), [1, 7]);
        assert_eq!(agreed.contexts[&1].syntax, "1.2.840.10008.1.2.1");
        let reasons: Vec<_> = (accepted.presentation_contexts.iter())
            .map(|c| c.reason.clone())
            .collect();
        assert_eq!(
            reasons,
            [
                Reason::Acceptance,
                Reason::AbstractSyntaxNotSupported,
                Reason::TransferSyntaxesNotSupported,
                Reason::NoReason,
                Reason::Acceptance
            ]
        );
        assert!(IMPLEMENTATION_NAME.len() <= 16);
    }
}
