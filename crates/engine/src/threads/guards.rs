//! The watch over one guard port: whether it still has our program, and putting it back.

use capture::{Attachment, Device, Guard, XdpMode};

use crate::posts::Posts;

/// A guard port under watch.
pub(crate) struct GuardWatch {
    /// Which of the posts.
    number: usize,
    name: String,
    mode: XdpMode,
    /// None while the port enforces nothing.
    attachment: Option<Attachment>,
    up: bool,
    /// The last complaint, so that it is made once.
    complaint: String,
}

impl GuardWatch {
    pub(crate) fn new(number: usize, mode: XdpMode, attachment: Attachment) -> Self {
        let name = attachment.device().name.clone();
        GuardWatch { number, name, mode, attachment: Some(attachment), up: true, complaint: String::new() }
    }

    /// Looks once; puts the program back if it is gone and the place is free.
    pub(crate) fn look(&mut self, guard: &Guard, posts: &Posts) {
        let device = Device::open(&self.name);
        if let Some(attachment) = &self.attachment {
            let trouble = match &device {
                Err(err) => Some(format!("interface {}: {err}", self.name)),
                Ok(now) if now.index != attachment.device().index => {
                    Some(format!("interface {} was made anew", self.name))
                }
                Ok(now) => attachment.trouble(now),
            };
            let Some(why) = trouble else { return self.look_at_link(device.ok().as_ref()) };
            tracing::error!("guard {}: {why}; nothing is enforced there until it is back", self.name);
            posts.lost(self.number, &why);
            (self.attachment, self.up) = (None, true);
            self.complaint.clear();
        }
        let Ok(device) = device else { return };
        match guard.attach(&device, self.mode) {
            Ok(attachment) => {
                self.attachment = Some(attachment);
                let gap = posts.back(self.number);
                tracing::warn!(
                    "guard {}: in force again; nothing was enforced there for {} ms",
                    self.name,
                    gap.as_millis()
                );
            }
            Err(err) => {
                let complaint = err.to_string();
                if complaint != self.complaint {
                    tracing::error!("guard {}: {complaint}; tried again every second", self.name);
                    posts.still_lost(self.number, &complaint);
                    self.complaint = complaint;
                }
            }
        }
    }

    fn look_at_link(&mut self, device: Option<&Device>) {
        let up = device.is_some_and(|device| device.is_up().unwrap_or(false));
        if up != self.up {
            self.up = up;
            tracing::warn!("interface {} is {}", self.name, if up { "up again" } else { "down" });
        }
    }

    /// What is in force, for whoever ends that.
    pub(crate) fn into_attachment(self) -> Option<Attachment> {
        self.attachment
    }
}
