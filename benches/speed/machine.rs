//! What the kernel says of processes.

use std::fs;

/// How many cores this machine gives us.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Memory of this machine, in megabytes.
pub fn megabytes() -> f64 {
    told(&fs::read_to_string("/proc/meminfo").unwrap_or_default(), "MemTotal:")
}

/// CPU time of a process so far, in seconds, its threads included.
pub fn cpu_seconds(pid: u32) -> f64 {
    // User and system time.
    seconds(pid, [11, 12])
}

/// CPU time of a process and of its children, in seconds, those included that have ended.
pub fn cpu_seconds_of_family(parent: u32) -> f64 {
    let ended = seconds(parent, [13, 14]);
    cpu_seconds(parent) + ended + children(parent).into_iter().map(cpu_seconds).sum::<f64>()
}

/// The sum of these times that the kernel tells of a process.
fn seconds(pid: u32, fields: [usize; 2]) -> f64 {
    let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else { return 0.0 };
    // The name in parentheses may hold blanks; what follows it does not.
    let told: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |at: usize| told.get(at).and_then(|field| field.parse::<f64>().ok()).unwrap_or_default();
    // In hundredths of a second on every Linux.
    fields.into_iter().map(ticks).sum::<f64>() / 100.0
}

fn children(parent: u32) -> Vec<u32> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    let is_child = |pid: &u32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let of = stat.rsplit(')').next().unwrap_or_default().split_whitespace().nth(1).map(str::to_owned);
        of.is_some_and(|of| of == parent.to_string())
    };
    pids.filter(is_child).collect()
}

/// Most memory that a process ever had resident, in megabytes.
pub fn peak_megabytes(pid: u32) -> f64 {
    told(&fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default(), "VmHWM:")
}

/// What a text of the kernel's tells under this name, in megabytes.
fn told(text: &str, name: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    kilobytes.unwrap_or_default() / 1024.0
}
