//! Which process of this machine listens on a port: its CPU time is exact in `/proc`, while metrics tell whole seconds.

use std::path::Path;

/// The process that listens on `port` of this machine; `None` where it runs elsewhere or belongs to somebody else.
///
/// Of several that share the socket (a server and the children it handed it to) the lowest id, which is the parent.
pub(super) fn of_port(port: u16) -> Option<u32> {
    let sockets: Vec<String> = ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .filter_map(|file| std::fs::read_to_string(file).ok())
        .flat_map(|text| listening(&text, port))
        .map(|inode| format!("socket:[{inode}]"))
        .collect();
    let pids =
        std::fs::read_dir("/proc").ok()?.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    pids.filter(|pid: &u32| holds(*pid, &sockets)).min()
}

/// Inodes of the sockets that listen on `port`, from the text of `/proc/net/tcp`.
fn listening(text: &str, port: u16) -> Vec<String> {
    let local = format!(":{port:04X}");
    let rows = text.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>());
    rows.filter(|row| row.len() > 9 && row[1].ends_with(&local) && row[3] == "0A")
        .map(|row| row[9].to_owned())
        .collect()
}

fn holds(pid: u32, sockets: &[String]) -> bool {
    let Ok(files) = std::fs::read_dir(Path::new("/proc").join(pid.to_string()).join("fd")) else {
        return false;
    };
    files.filter_map(|file| std::fs::read_link(file.ok()?.path()).ok()).any(|target| {
        let target = target.to_string_lossy();
        sockets.iter().any(|socket| *socket == target)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_listens() {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        assert_eq!(of_port(socket.local_addr().unwrap().port()), Some(std::process::id()));
    }

    #[test]
    fn only_listening_sockets_of_that_port_count() {
        let text = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
             0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 111 1 0\n\
             1: 0100007F:1F90 0100007F:9999 01 00000000:00000000 00:00000000 00000000     0        0 222 1 0\n\
             2: 0100007F:1F91 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 333 1 0\n";
        assert_eq!(listening(text, 8080), ["111"]);
    }
}
