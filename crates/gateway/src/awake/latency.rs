//! A wish to the kernel's power management: how fast idle processors must be back (the kernel's `power/pm_qos_interface`).

use std::{
    fs::File,
    io::{self, Write as _},
    sync::Arc,
    time::Duration,
};

/// The value of who has no wish: 2000 s.
pub(super) const ANY: i32 = 2_000_000_000;

/// `/dev/cpu_dma_latency`, which stands for one wish about every processor, and what is wished. The kernel forgets it when the device is
/// closed, however this process ends.
#[derive(Clone, Debug)]
pub struct IdleLatency {
    device: Arc<File>,
    /// Microseconds.
    most: i32,
}

impl IdleLatency {
    /// `device` is open for writing, which takes root; a processor may take `most` to wake, with zero it must not sleep at all.
    pub fn new(device: File, most: Duration) -> Self {
        Self { device: Arc::new(device), most: i32::try_from(most.as_micros()).unwrap_or(ANY) }
    }

    /// Holds the wish while what this gives is there.
    pub(super) fn ask(&self) -> io::Result<Asked<'_>> {
        self.write(self.most)?;
        Ok(Asked(self))
    }

    fn write(&self, microseconds: i32) -> io::Result<()> {
        (&*self.device).write_all(&microseconds.to_ne_bytes())
    }
}

/// A wish that the kernel knows.
#[derive(Debug)]
pub(super) struct Asked<'a>(&'a IdleLatency);

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        if let Err(error) = self.0.write(ANY) {
            tracing::warn!(error = %error, "processors are kept awake until the server ends: the wish cannot be taken back");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    /// What others wish can only be stricter, and here nothing is. Where there is no such device, or we are not root, there is nothing to ask.
    #[test]
    fn the_kernel_heeds_the_wish() {
        let Ok(device) = File::options().read(true).write(true).open("/dev/cpu_dma_latency") else { return };
        let latency = IdleLatency::new(device, Duration::ZERO);
        let _asked = latency.ask().expect("a wish that the kernel takes");
        let mut heeded = [0; 4];
        (&*latency.device).read_exact(&mut heeded).expect("what all wishes come to");
        assert_eq!(i32::from_ne_bytes(heeded), 0);
    }
}
