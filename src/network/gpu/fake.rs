//! A GPU that gives the answers it was handed and fails when it is told to.

use super::device::Gpu;
use super::fault::Fault;
use super::schedule::Launch;
use std::collections::VecDeque;

/// What fails.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::network) enum When {
    Never,
    /// The n-th request for memory, from 0: weights, the check's, the case's.
    Allocation(usize),
    /// Any kernel.
    FirstLaunch,
    /// The stored case comes out a little different.
    CheckIsOff,
    /// The n-th kernel after the stored case.
    SecondLaunches(usize),
    /// Waiting for the first real case.
    SecondFinish,
    /// The first real case has a voxel that is not a number.
    SecondAnswerIsNan,
}

/// See the module.
#[derive(Debug)]
pub(in crate::network) struct Fake {
    answers: VecDeque<Vec<f32>>,
    when: When,
    fault: Fault,
    allocations: usize,
    launches: usize,
    given: usize,
}

impl Fake {
    pub(in crate::network) fn new(answers: Vec<Vec<f32>>, when: When, fault: Fault) -> Self {
        Self {
            answers: answers.into(),
            when,
            fault,
            allocations: 0,
            launches: 0,
            given: 0,
        }
    }

    fn unless(&self, fails: bool) -> Result<(), Fault> {
        if fails {
            Err(self.fault.clone())
        } else {
            Ok(())
        }
    }
}

impl Gpu for Fake {
    fn name(&self) -> String {
        "cuda:0 (fake)".into()
    }

    fn allocate(&mut self, _: usize) -> Result<u64, Fault> {
        self.unless(self.when == When::Allocation(self.allocations))?;
        self.allocations += 1;
        Ok(0)
    }

    fn free(&mut self, _: u64) {}

    fn upload(&mut self, _: u64, _: &[u8]) -> Result<(), Fault> {
        Ok(())
    }

    fn launch(&mut self, _: &Launch) -> Result<(), Fault> {
        self.unless(self.when == When::FirstLaunch)?;
        self.unless(self.given == 1 && self.when == When::SecondLaunches(self.launches))?;
        self.launches += 1;
        Ok(())
    }

    fn finish(&mut self) -> Result<(), Fault> {
        self.unless(self.given == 1 && self.launches > 0 && self.when == When::SecondFinish)
    }

    fn download(&mut self, _: u64, bytes: &mut [u8]) -> Result<(), Fault> {
        let mut answer = self.answers.pop_front().unwrap();
        if self.given == 0 && self.when == When::CheckIsOff {
            answer.rotate_left(1);
        }
        if self.given == 1 && self.when == When::SecondAnswerIsNan {
            answer[7] = f32::NAN;
        }
        let all: Vec<u8> = answer.iter().flat_map(|v| v.to_le_bytes()).collect();
        bytes.copy_from_slice(&all);
        self.given += 1;
        self.launches = 0;
        Ok(())
    }
}
