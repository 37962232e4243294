//! Requests: what clients at the socket ask for.

use super::super::wire::{Command, Event, Message, Request};
use super::Link;
use crate::status::Refused;

impl Link {
    /// Whoever asks over the socket is refused while there is a job, or a stop that nobody has looked at: only a signal
    /// ends those.
    pub(super) fn end_without_job(&mut self, now: u64) -> Result<(), Refused> {
        let status = self.driver.it().status(now);
        if status.needs_a_person() {
            return Err(Refused::new(
                "printer_halted",
                "The printer is halted or was stopped.",
                "Look at it, then recover it.",
            ));
        }
        if let Some(job) = status.job.filter(|job| !job.phase.is_over()) {
            let text = format!("{} is on the printer.", job.job);
            return Err(Refused::new(
                "busy",
                text,
                "Wait until it ends, or cancel it.",
            ));
        }
        tracing::info!("asked to end, and nothing is printed");
        self.terminate(now);
        Ok(())
    }

    pub(super) fn request(&mut self, client: u64, request: Result<Request, Refused>) {
        let request = match request {
            Ok(request) => request,
            Err(error) => {
                return self
                    .clients
                    .send(client, &Message::Refused { id: 0, error });
            }
        };
        let (id, now) = (request.id, self.now_ms());
        let taken = match request.command {
            Command::Status => Ok(()),
            Command::Watch => {
                self.clients.watch(client);
                let hello = Message::Hello(self.config.started.clone());
                self.clients.send(client, &hello);
                let status = self.driver.it().status(now);
                self.clients
                    .send(client, &Message::Event(Event::Status(status)));
                Ok(())
            }
            Command::Print {
                job,
                path,
                sha256,
                released,
            } => self
                .driver
                .it_mut()
                .print(now, job, (path, sha256), released),
            Command::Pause => self.driver.it_mut().pause(now),
            Command::Resume => self.driver.it_mut().resume(now),
            Command::Cancel => self.driver.it_mut().cancel(now),
            Command::Tune(tune) => self.driver.it_mut().tune(now, tune),
            Command::EmergencyStop => {
                self.driver.it_mut().emergency_stop(now);
                Ok(())
            }
            Command::Answer { choice } => self.driver.it_mut().answer(now, choice),
            Command::Recover => self.driver.it_mut().recover(now),
            Command::End => self.end_without_job(now),
        };
        // Onto the wire first, then the answer: it says that the bytes are written.
        self.carry_out();
        let message = match taken {
            Ok(()) => Message::Reply {
                id,
                status: self.driver.it().status(self.now_ms()),
            },
            Err(error) => Message::Refused { id, error },
        };
        self.clients.send(client, &message);
    }
}
