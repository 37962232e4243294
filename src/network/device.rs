//! Which device a network is asked to run on.

use super::NetworkError;
use std::fmt;
use std::str::FromStr;

/// What the network runs on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Device {
    /// GPU 0 where there is one that passes its check, else the CPU, with a notice.
    #[default]
    Auto,
    /// The CPU, on rayon's threads.
    Cpu,
    /// This GPU, counted from 0; where it can not be used that is an error.
    Cuda(usize),
}

impl FromStr for Device {
    type Err = NetworkError;

    /// `auto`, `cpu` or `cuda:N`.
    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let number = |n: &str| n.parse::<u16>().ok().map(usize::from);
        match text {
            "auto" => Ok(Self::Auto),
            "cpu" => Ok(Self::Cpu),
            _ => text
                .strip_prefix("cuda:")
                .and_then(number)
                .map(Self::Cuda)
                .ok_or_else(|| NetworkError::Device(text.into())),
        }
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(n) => write!(f, "cuda:{n}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_reads_as_it_is_written_and_anything_else_is_refused_with_the_choice() {
        for device in [Device::Auto, Device::Cpu, Device::Cuda(0), Device::Cuda(11)] {
            assert_eq!(device.to_string().parse::<Device>().unwrap(), device);
        }
        for wrong in [
            "",
            "gpu",
            "cuda",
            "cuda:",
            "cuda:-1",
            "cuda:x",
            "cuda:99999",
            "CPU",
            "cpu ",
        ] {
            let text = wrong.parse::<Device>().unwrap_err().to_string();
            assert!(
                text.contains(&format!("`{wrong}`")) && text.contains("cuda:N"),
                "{text}"
            );
        }
    }
}
