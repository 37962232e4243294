//! What can go wrong with a GPU, in words; the number of a driver's error decides which.

use crate::network::architecture::Architecture;

/// Why a GPU can not answer, or stopped answering. The text is shown as it stands.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// libcuda is not on this machine.
    #[error("there is no NVIDIA driver on this machine")]
    NoDriver,
    /// The driver has no such device.
    #[error("there is no GPU number {asked}: the driver has {found}")]
    NoDevice {
        /// Number that was asked for, from 0.
        asked: usize,
        /// Devices that are there.
        found: usize,
    },
    /// A GPU without the tensor-core instructions.
    #[error("{name} has compute capability {major}.{minor}, and 8.0 is needed")]
    TooOld {
        /// The GPU's name.
        name: String,
        /// Compute capability.
        major: i32,
        /// Its second number.
        minor: i32,
    },
    /// The driver does not take the kernels (codes 209, 218, 222) or lacks a function.
    #[error("the driver does not take the GPU kernels ({0}): it has to be of CUDA 12.2 or later")]
    Driver(String),
    /// Code 2.
    #[error("the GPU does not have {mib} MiB of free memory")]
    OutOfMemory {
        /// What was asked for.
        mib: usize,
    },
    /// Codes 700 to 719: the process can not use this GPU any more.
    #[error("the GPU failed while it {doing} ({name})")]
    Lost {
        /// What was asked of it.
        doing: &'static str,
        /// The driver's name of the error.
        name: String,
    },
    /// No answer in time.
    #[error("the GPU did not answer within {seconds} s")]
    Hung {
        /// How long it was waited for.
        seconds: u64,
    },
    /// Every other code.
    #[error("the GPU driver answered {name} while it {doing}")]
    Other {
        /// What was asked of it.
        doing: &'static str,
        /// The driver's name of the error.
        name: String,
    },
    /// The stored case came out different on the GPU and on the CPU.
    #[error(
        "the GPU's answer to the stored case is wrong: it differs from the CPU's by {percent}% of its spread, {most}% are allowed"
    )]
    Wrong {
        /// Root mean square of the differences; what is not a number counts as most.
        percent: u32,
        /// What rounding to fp16 explains.
        most: u32,
    },
    /// An answer that is not a number: weights too large for fp16.
    #[error(
        "the GPU's answer is not a number in {count} voxels: fp16 does not hold these activations"
    )]
    NotFinite {
        /// Voxels.
        count: usize,
    },
    /// A weight that fp16 does not have.
    #[error("the weights `{0}` are too large for fp16")]
    Weights(String),
    /// A network that the kernels do not know.
    #[error("the GPU kernels are for the U-Nets and do not know `{0}`")]
    Architecture(Architecture),
    /// More voxels than a kernel counts.
    #[error("{0} voxels are too many for the GPU kernels")]
    TooLarge(usize),
}

impl Fault {
    /// The fault behind `code` of the driver, with its `name`.
    pub(in crate::network) fn of_code(
        code: u32,
        name: String,
        doing: &'static str,
        bytes: usize,
    ) -> Self {
        match code {
            2 => Self::OutOfMemory { mib: bytes >> 20 },
            100 => Self::NoDevice { asked: 0, found: 0 },
            // No kernel image, invalid PTX, PTX newer than the driver, no compiler in the driver, a symbol missing.
            209 | 218 | 221 | 222 | 500 => Self::Driver(name),
            // Driver older than the library, or without the rights: it can not be spoken to.
            35 | 3 | 801..=803 => Self::Driver(name),
            // Illegal address, launch out of resources .. launch failure, and hardware errors.
            214 | 220 | 700..=719 => Self::Lost { doing, name },
            _ => Self::Other { doing, name },
        }
    }

    /// There is nothing to mend: there simply is no GPU for this.
    pub(in crate::network) fn is_absence(&self) -> bool {
        matches!(
            self,
            Self::NoDriver | Self::NoDevice { .. } | Self::Architecture(_)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_of_the_driver_has_its_own_sentence() {
        let of = |code| Fault::of_code(code, format!("CODE_{code}"), "computed", 300 << 20);
        assert_eq!(of(2), Fault::OutOfMemory { mib: 300 });
        assert!(of(100).is_absence() && !of(2).is_absence());
        for code in [209, 218, 222] {
            let text = of(code).to_string();
            assert!(
                text.contains("CUDA 12.2") && text.contains(&format!("CODE_{code}")),
                "{text}"
            );
        }
        for code in [700, 719, 702, 716] {
            let text = of(code).to_string();
            assert!(text.contains("failed while it computed"), "{text}");
        }
        assert!(matches!(of(999), Fault::Other { .. }));
        assert!(of(999).to_string().contains("CODE_999"));
    }
}
