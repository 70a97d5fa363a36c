//! The examples do what their heads say. Cargo builds them beside this test.
#![cfg(test)]

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

fn example(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a test has a path");
    let profile = test.parent().and_then(|deps| deps.parent()).expect("a test lies in deps/");
    profile.join("examples").join(name)
}

#[test]
fn a_closure_is_a_sensor_whose_readings_are_on_file() {
    let data = tempfile::tempdir().unwrap();
    let output = Command::new(example("closure_sensor")).arg(data.path()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("counter.n = Some(Number(1.0))"), "{text}");
    assert!(text.lines().any(|line| line.ends_with("readings on file")), "{text}");
}

#[test]
fn a_plugin_in_one_file_takes_a_command() {
    let data = tempfile::tempdir().unwrap();
    let output = Command::new(example("plugin_in_one_file")).arg(data.path()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("Done"), "{text}");
    assert!(text.contains("pump-1.running: Some(Some(Bool(false)))"), "{text}");
}

#[test]
fn ten_lines_are_a_gateway_with_a_link() {
    let data = tempfile::tempdir().unwrap();
    let mut child = Command::new(example("ten_lines"))
        .arg(data.path())
        .arg("127.0.0.1:0")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(line.starts_with("http://127.0.0.1:") && line.contains("/#token="), "{line}");
}

#[test]
fn a_broker_takes_a_devices_reading_and_acknowledges_it() {
    let data = tempfile::tempdir().unwrap();
    let mut child = Command::new(example("mqtt_broker"))
        .arg(data.path())
        .arg("127.0.0.1:0")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let address = lines.next().unwrap().unwrap();
    let port = address.rsplit_once(':').map(|(_, port)| port.to_owned()).unwrap();
    let publish = Command::new("mosquitto_pub")
        .args(["-p", &port, "-q", "1", "-t", "devices/attic/data", "-m", r#"{"temperature":21.5}"#])
        .status()
        .expect("apt-get install mosquitto-clients");
    assert!(publish.success());
    assert_eq!(lines.next().unwrap().unwrap(), "attic.temperature = Some(Number(21.5))");
    assert!(child.wait().unwrap().success());
}
