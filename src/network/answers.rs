//! Who answers: the CPU always can, a GPU where there is one; what a GPU can not do, the CPU does again.

use super::architecture::Architecture;
#[cfg(feature = "candle-cuda")]
use super::candle_gpu::{self, CandleGpu};
use super::engine::{self, Engine};
use super::gpu::{self, Fault, Gpu};
use super::reference::{Reference, reference};
use super::unet::Config;
use super::{Compute, Device, Isa, NetworkError, probability};
use candle_core::Tensor;
use candle_nn::VarBuilder;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What a person should know about where the answer comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// One sentence.
    pub text: String,
    /// Something is there and does not work; else there simply is no GPU for this.
    pub fault: bool,
}

/// The CPU's way, kept also beside a GPU: it takes over when that fails.
#[derive(Debug)]
enum Host {
    Engine(Engine),
    Reference(Architecture, Reference),
}

impl Host {
    fn logits(
        &self,
        x: &[f32],
        cells: [usize; 3],
        done: &mut dyn FnMut(f64),
    ) -> Result<Tensor, NetworkError> {
        let cpu = &candle_core::Device::Cpu;
        let [d, h, w] = cells;
        Ok(match self {
            Self::Engine(engine) => {
                let logits = engine.logits(x, cells, &mut |level| done(level.work_done()))?;
                Tensor::from_vec(logits, (1, d, h, w), cpu)?
            }
            Self::Reference(architecture, network) => {
                fits(*architecture, x.len(), cells)?;
                let x = Tensor::from_slice(x, (1, d, h, w), cpu)?;
                network.forward(&x, done)?
            }
        })
    }

    fn forward(
        &self,
        x: &[f32],
        size: [usize; 3],
        done: &mut dyn FnMut(f64),
    ) -> Result<Vec<f32>, NetworkError> {
        Ok(match self {
            Self::Engine(engine) => {
                engine.forward(x, size, &mut |level| done(level.work_done()))?
            }
            Self::Reference(..) => probability(&self.logits(x, size, done)?)?,
        })
    }
}

/// Refuses sizes that the reference path does not take, and `count` numbers that are not one a cell.
fn fits(architecture: Architecture, count: usize, cells: [usize; 3]) -> Result<(), NetworkError> {
    if let Some(why) = architecture.unfit(cells) {
        return Err(NetworkError::Size {
            architecture,
            cells,
            why,
        });
    }
    if cells.iter().product::<usize>() != count {
        return Err(NetworkError::Length { have: count, cells });
    }
    Ok(())
}

/// What stands in front of the CPU.
#[derive(Debug)]
enum Front {
    Engine(gpu::Engine),
    #[cfg(feature = "candle-cuda")]
    Candle(CandleGpu),
}

impl Front {
    fn name(&self) -> String {
        match self {
            Self::Engine(gpu) => gpu.name(),
            #[cfg(feature = "candle-cuda")]
            Self::Candle(gpu) => gpu.name(),
        }
    }

    /// Refuses what no device could compute, before a GPU is blamed for it.
    fn fits(&self, count: usize, size: [usize; 3]) -> Result<(), NetworkError> {
        match self {
            Self::Engine(_) => Ok(engine::check(size, count)?),
            #[cfg(feature = "candle-cuda")]
            Self::Candle(gpu) => fits(gpu.architecture(), count, size),
        }
    }

    fn forward(
        &mut self,
        x: &[f32],
        size: [usize; 3],
        done: &mut dyn FnMut(f64),
    ) -> Result<Vec<f32>, Fault> {
        match self {
            Self::Engine(gpu) => gpu.forward(x, size, &mut |level| done(level.work_done())),
            #[cfg(feature = "candle-cuda")]
            Self::Candle(gpu) => gpu.forward(x, size, done),
        }
    }
}

/// A GPU, until it fails, and what is to be said about it.
#[derive(Debug, Default)]
struct Chosen {
    gpu: Option<Front>,
    notice: Option<Notice>,
}

/// A network's weights, ready to answer.
#[derive(Debug)]
pub(super) struct Answers {
    host: Host,
    chosen: Mutex<Chosen>,
}

impl Answers {
    /// The weights on the CPU by way of `compute`.
    pub(super) fn new(
        architecture: Architecture,
        compute: Compute,
        weights: &VarBuilder<'_>,
    ) -> Result<Self, NetworkError> {
        let host = match (compute.checked()?, architecture.unet()) {
            (Compute::Reference, _) => {
                Host::Reference(architecture, reference(architecture, weights.clone())?)
            }
            (Compute::Engine(isa), Some(config)) => Host::Engine(engine_of(&config, isa, weights)?),
            (Compute::Engine(isa), None) => return Err(NetworkError::NoEngine(architecture, isa)),
        };
        Ok(Self {
            host,
            chosen: Mutex::default(),
        })
    }

    /// The same with a GPU in front where `device` wants one and `open` finds it; memory for `size` is asked for at once.
    ///
    /// # Errors
    /// [`NetworkError::Gpu`] when a GPU was named and can not be used. For `auto` that is a notice.
    pub(super) fn on(
        self,
        device: Device,
        architecture: Architecture,
        weights: &VarBuilder<'_>,
        size: Option<[usize; 3]>,
        open: impl FnOnce(usize) -> Result<Box<dyn Gpu>, Fault>,
    ) -> Result<Self, NetworkError> {
        let ordinal = match device {
            Device::Cpu => return Ok(self),
            Device::Auto => 0,
            Device::Cuda(ordinal) => ordinal,
        };
        let tried = match architecture.unet() {
            Some(config) => open(ordinal)
                .map_err(NetworkError::from)
                .and_then(|gpu| self.accept(gpu, &config, weights, size)),
            None => self.accept_candle(ordinal, architecture, weights),
        };
        match (tried, device) {
            (Ok(()), _) => {}
            (Err(NetworkError::Gpu { fault, .. }), Device::Auto) => self.note(&fault),
            (Err(NetworkError::Gpu { fault, .. }), _) => {
                let device = device.to_string();
                return Err(NetworkError::Gpu { device, fault });
            }
            (Err(other), _) => return Err(other),
        }
        Ok(self)
    }

    /// Puts `gpu` in front once it has answered the stored case as the CPU does.
    fn accept(
        &self,
        gpu: Box<dyn Gpu>,
        config: &Config,
        weights: &VarBuilder<'_>,
        size: Option<[usize; 3]>,
    ) -> Result<(), NetworkError> {
        let mut gpu = gpu::Engine::new(config, gpu, |name, shape| floats(weights, name, shape))?;
        let case = gpu::stored_case(gpu::CASE);
        let want = self.host.logits(&case, gpu::CASE, &mut |_| ())?;
        gpu::check(&mut gpu, &want.flatten_all()?.to_vec1()?)?;
        if let Some(size) = size {
            gpu.reserve(size)?;
        }
        self.chosen().gpu = Some(Front::Engine(gpu));
        Ok(())
    }

    /// The same by candle's kernels, for what the GPU engine does not know.
    #[cfg(feature = "candle-cuda")]
    fn accept_candle(
        &self,
        ordinal: usize,
        architecture: Architecture,
        weights: &VarBuilder<'_>,
    ) -> Result<(), NetworkError> {
        let gpu = CandleGpu::open(ordinal, architecture, weights)?;
        let case = gpu::stored_case(candle_gpu::CASE);
        let want = self.host.logits(&case, candle_gpu::CASE, &mut |_| ())?;
        gpu.check(&want.flatten_all()?.to_vec1()?)?;
        self.chosen().gpu = Some(Front::Candle(gpu));
        Ok(())
    }

    #[cfg(not(feature = "candle-cuda"))]
    #[allow(clippy::unused_self, reason = "as with the feature")]
    fn accept_candle(
        &self,
        _: usize,
        architecture: Architecture,
        _: &VarBuilder<'_>,
    ) -> Result<(), NetworkError> {
        Err(Fault::Architecture(architecture).into())
    }

    fn chosen(&self) -> MutexGuard<'_, Chosen> {
        self.chosen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, fault: &Fault) {
        self.chosen().notice = Some(Notice {
            text: format!("The network runs on the CPU: {fault}."),
            fault: !fault.is_absence(),
        });
    }

    /// What is to be said about the device, if anything.
    pub(super) fn notice(&self) -> Option<Notice> {
        self.chosen().notice.clone()
    }

    /// Kind of what answers now.
    pub(super) fn device(&self) -> String {
        match &self.chosen().gpu {
            Some(gpu) => gpu.name(),
            None => format!("cpu ({})", self.compute()),
        }
    }

    /// Seconds of our engine's last forward on a GPU, copies apart, and all bytes it has there.
    pub(super) fn on_gpu(&self) -> Option<(f64, usize)> {
        let chosen = self.chosen();
        match &chosen.gpu {
            Some(Front::Engine(gpu)) => Some((gpu.seconds(), gpu.memory())),
            _ => None,
        }
    }

    /// What the CPU computes with.
    pub(super) fn compute(&self) -> Compute {
        match &self.host {
            Host::Engine(engine) => Compute::Engine(engine.isa()),
            Host::Reference(..) => Compute::Reference,
        }
    }

    /// Bytes that a forward asks for on the CPU; `None` for the reference path, which does not plan.
    pub(super) fn memory(&self, size: [usize; 3]) -> Option<usize> {
        match &self.host {
            Host::Engine(engine) => Some(engine.memory(size, rayon::current_num_threads())),
            Host::Reference(..) => None,
        }
    }

    /// Probabilities of `x`, `[D, H, W]`. `done` hears fractions of the work, growing to 1. A GPU that fails is given up,
    /// and the CPU answers this and every later case.
    pub(super) fn forward(
        &self,
        x: &[f32],
        size: [usize; 3],
        done: &mut dyn FnMut(f64),
    ) -> Result<Vec<f32>, NetworkError> {
        let mut chosen = self.chosen();
        if let Some(gpu) = &mut chosen.gpu {
            gpu.fits(x.len(), size)?;
            match gpu.forward(x, size, done) {
                Ok(answer) => return Ok(answer),
                Err(fault) => {
                    tracing::warn!(%fault, "the GPU is given up");
                    let text = format!("{fault}; the case was computed again on the CPU.");
                    chosen.notice = Some(Notice {
                        text: capital(&text),
                        fault: true,
                    });
                    chosen.gpu = None;
                }
            }
        }
        drop(chosen);
        self.host.forward(x, size, done)
    }
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|c| c.to_uppercase().to_string());
    first.unwrap_or_default() + letters.as_str()
}

/// One tensor of the proved weights.
fn floats(weights: &VarBuilder<'_>, name: &str, shape: &[usize]) -> Result<Vec<f32>, NetworkError> {
    Ok(weights.get(shape, name)?.flatten_all()?.to_vec1::<f32>()?)
}

/// The CPU engine with the weights that were proved.
pub(super) fn engine_of(
    config: &Config,
    isa: Isa,
    weights: &VarBuilder<'_>,
) -> Result<Engine, NetworkError> {
    Engine::new(config, isa, |name, shape| floats(weights, name, shape))
}

#[cfg(test)]
mod tests {
    use super::super::gpu::fake::{Fake, When};
    use super::super::seeded;
    use super::*;
    use candle_core::DType;

    const SIZE: [usize; 3] = [32, 16, 16];

    const V3: Architecture = Architecture::V3;

    fn weights(architecture: Architecture) -> VarBuilder<'static> {
        let tensors = seeded::tensors(architecture).unwrap();
        VarBuilder::from_tensors(tensors, DType::F32, &candle_core::Device::Cpu)
    }

    /// A network behind a GPU that gives the CPU's answers until it fails as `when` says.
    fn behind(device: Device, when: When, fault: Fault) -> Result<Answers, NetworkError> {
        let vb = weights(V3);
        let answers = Answers::new(V3, Compute::best(V3), &vb).unwrap();
        let case = answers
            .host
            .logits(&gpu::stored_case(gpu::CASE), gpu::CASE, &mut |_| ());
        let case = case.unwrap().flatten_all().unwrap().to_vec1().unwrap();
        let answer = vec![0.25; SIZE.iter().product()];
        let fake = Fake::new(vec![case, answer.clone(), answer], when, fault);
        // More than the stored case needs, so that memory is asked for once more.
        let most = Some([96; 3]);
        answers.on(device, V3, &vb, most, |_| Ok(Box::new(fake)))
    }

    fn forward(answers: &Answers) -> Vec<f32> {
        let x = seeded::units("x", SIZE.iter().product());
        answers.forward(&x, SIZE, &mut |_| ()).unwrap()
    }

    fn lost() -> Fault {
        Fault::of_code(700, "CUDA_ERROR_ILLEGAL_ADDRESS".into(), "computed", 0)
    }

    #[test]
    fn a_gpu_that_passes_its_check_answers() {
        let answers = behind(Device::Auto, When::Never, lost()).unwrap();
        assert_eq!(answers.device(), "cuda:0 (fake)");
        assert_eq!(answers.notice(), None);
        assert!(forward(&answers).iter().all(|&p| p == 0.25));
    }

    #[test]
    fn a_fault_in_mid_run_is_told_and_the_case_is_computed_again_on_the_cpu() {
        let vb = weights(V3);
        let cpu = forward(&Answers::new(V3, Compute::best(V3), &vb).unwrap());
        let hung = Fault::Hung { seconds: 60 };
        for device in [Device::Auto, Device::Cuda(0)] {
            for (when, fault) in [
                (When::SecondLaunches(5), lost()),
                (When::SecondFinish, hung.clone()),
                (When::SecondAnswerIsNan, lost()),
            ] {
                let answers = behind(device, when, fault.clone()).unwrap();
                assert_eq!(answers.device(), "cuda:0 (fake)");
                assert_eq!(forward(&answers), cpu, "{when:?}");
                let notice = answers.notice().unwrap();
                assert!(notice.fault && notice.text.ends_with("again on the CPU."));
                let named = match when {
                    When::SecondAnswerIsNan => "not a number".into(),
                    _ => fault.to_string()[1..].to_owned(),
                };
                assert!(notice.text.contains(&named), "{}", notice.text);
                // It is not asked again.
                assert!(answers.device().starts_with("cpu ("));
                assert_eq!(forward(&answers), cpu);
            }
        }
    }

    #[test]
    fn what_is_wrong_at_the_start_is_a_notice_for_auto_and_an_error_for_a_named_gpu() {
        let memory = Fault::OutOfMemory { mib: 700 };
        for (when, fault, words) in [
            (When::Allocation(1), memory.clone(), "700 MiB"),
            (When::Allocation(2), memory, "700 MiB"),
            (When::FirstLaunch, lost(), "ILLEGAL_ADDRESS"),
            (When::CheckIsOff, lost(), "stored case is wrong"),
        ] {
            let answers = behind(Device::Auto, when, fault.clone()).unwrap();
            let notice = answers.notice().unwrap();
            assert!(
                notice.fault && notice.text.contains(words),
                "{}",
                notice.text
            );
            assert!(answers.device().starts_with("cpu ("), "{when:?}");
            let error = behind(Device::Cuda(0), when, fault)
                .unwrap_err()
                .to_string();
            assert!(
                error.contains("`cuda:0`") && error.contains(words),
                "{error}"
            );
        }
    }

    #[test]
    fn without_a_driver_auto_is_the_cpu_and_a_named_gpu_is_an_error() {
        let vb = weights(V3);
        if !matches!(gpu::open(0), Err(Fault::NoDriver)) {
            println!("there is a driver on this machine: not tested here");
            return;
        }
        let on = |device| {
            let answers = Answers::new(V3, Compute::best(V3), &vb).unwrap();
            answers.on(device, V3, &vb, None, gpu::open)
        };
        let notice = on(Device::Auto).unwrap().notice().unwrap();
        assert!(
            !notice.fault && notice.text.contains("no NVIDIA driver"),
            "{}",
            notice.text
        );
        assert_eq!(on(Device::Cpu).unwrap().notice(), None);
        let error = on(Device::Cuda(3)).unwrap_err().to_string();
        assert!(
            error.contains("`cuda:3`") && error.contains("no NVIDIA driver"),
            "{error}"
        );
    }

    #[cfg(not(feature = "candle-cuda"))]
    #[test]
    fn a_network_without_gpu_kernels_runs_on_the_cpu_and_no_gpu_is_opened_for_it() {
        for architecture in [Architecture::CraNeXt, Architecture::Wu] {
            let vb = weights(architecture);
            let on = |device| {
                let compute = Compute::best(architecture);
                let answers = Answers::new(architecture, compute, &vb).unwrap();
                answers.on(device, architecture, &vb, None, |_| panic!("opened"))
            };
            let answers = on(Device::Auto).unwrap();
            assert_eq!(answers.device(), "cpu (reference)");
            let notice = answers.notice().unwrap();
            assert!(
                !notice.fault && notice.text.contains(&format!("`{architecture}`")),
                "{}",
                notice.text
            );
            assert_eq!(on(Device::Cpu).unwrap().notice(), None);
            let error = on(Device::Cuda(1)).unwrap_err().to_string();
            assert!(
                error.contains("`cuda:1`") && error.contains(&format!("`{architecture}`")),
                "{error}"
            );
        }
    }
}
