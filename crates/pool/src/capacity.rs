//! The host's room for instances: a value that gives itself back.

use std::sync::{Arc, Mutex};

/// What is left of the host.
#[derive(Debug)]
pub(crate) struct Capacity {
    left: Mutex<Left>,
    /// All of the memory, in use or not.
    memory_bytes: u64,
}

#[derive(Debug)]
struct Left {
    instances: usize,
    memory_bytes: u64,
}

/// What is promised to instances, and what there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// Sum of the limits of all instances, in bytes.
    pub promised: u64,
    /// Most that may be promised.
    pub most: u64,
}

/// Room for one instance; dropping it makes room again.
#[derive(Debug)]
pub(crate) struct Permit {
    capacity: Arc<Capacity>,
    memory_bytes: u64,
}

impl Capacity {
    pub(crate) fn new(instances: usize, memory_bytes: u64) -> Arc<Self> {
        Arc::new(Self { left: Mutex::new(Left { instances, memory_bytes }), memory_bytes })
    }

    /// Whether an instance of this size would have room on an empty host.
    pub(crate) fn fits(&self, memory_bytes: u64) -> bool {
        memory_bytes <= self.memory_bytes
    }

    /// Whether there is room for one of this size now.
    pub(crate) fn has_room(&self, memory_bytes: u64) -> bool {
        let left = self.left.lock().expect("nothing panics while it counts");
        left.instances > 0 && left.memory_bytes >= memory_bytes
    }

    pub(crate) fn memory(&self) -> Memory {
        let left = self.left.lock().expect("nothing panics while it counts").memory_bytes;
        Memory { promised: self.memory_bytes.saturating_sub(left), most: self.memory_bytes }
    }

    pub(crate) fn take(self: &Arc<Self>, memory_bytes: u64) -> Option<Permit> {
        let mut left = self.left.lock().expect("nothing panics while it counts");
        if left.instances == 0 || left.memory_bytes < memory_bytes {
            return None;
        }
        left.instances -= 1;
        left.memory_bytes -= memory_bytes;
        drop(left);
        Some(Permit { capacity: Arc::clone(self), memory_bytes })
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut left = self.capacity.left.lock().expect("nothing panics while it counts");
        left.instances += 1;
        left.memory_bytes += self.memory_bytes;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_comes_back() {
        let capacity = Capacity::new(2, 300);
        let first = capacity.take(200).expect("there is room");
        assert!(capacity.take(200).is_none(), "memory is used up");
        let second = capacity.take(100).expect("there is room");
        assert!(capacity.take(0).is_none(), "instances are used up");
        assert_eq!(capacity.memory(), Memory { promised: 300, most: 300 });
        drop((first, second));
        assert!(capacity.has_room(300) && !capacity.has_room(301));
        assert!(capacity.take(300).is_some());
    }
}
