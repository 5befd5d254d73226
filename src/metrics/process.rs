//! What the system says of this process. Reads `/proc`; on systems without it nothing is known.

/// Memory of this process that is in RAM, in bytes; 0 where the system does not tell.
pub fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kibibytes = line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse::<u64>().ok());
    kibibytes.unwrap_or(0) << 10
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_process_takes_more_than_a_mebibyte() {
        assert!(super::resident() > 1 << 20);
    }
}
