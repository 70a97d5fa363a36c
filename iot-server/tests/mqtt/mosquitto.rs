//! Debian's mosquitto_pub and mosquitto_sub, as a shell script uses them.

use std::process::Command;
use std::time::Duration;

use iot_testkit::servers::{Process, TestFolder, find_program};
use iot_testkit::wait::until_blocking;
use nix::sys::signal::Signal;

use crate::broker::{Broker, Version, folder};

const WITHIN: Duration = Duration::from_secs(60);
const PACKAGE: &str = "mosquitto-clients";

/// The clients of one broker, speaking one version.
struct Clients {
    broker: Broker,
    version: Version,
    folder: TestFolder,
    started: std::cell::Cell<u32>,
}

/// A mosquitto_sub. It prints messages as `QOS RETAINED TOPIC|PAYLOAD`.
struct Subscriber(Process);

impl Clients {
    fn new(broker: Broker, version: Version) -> Self {
        Self { broker, version, folder: folder(), started: std::cell::Cell::new(0) }
    }

    fn start(&self, program: &str, args: &[&str]) -> Process {
        // Its output is a file, which it would write by the page.
        let mut command = Command::new(find_program("stdbuf", "coreutils").unwrap());
        command.arg("-oL").arg(find_program(program, PACKAGE).unwrap());
        let address = self.broker.address();
        command.arg("-h").arg(address.ip().to_string()).arg("-p").arg(address.port().to_string());
        command.args(["-V", if self.version == Version::V3 { "311" } else { "5" }]).args(args);
        self.started.set(self.started.get() + 1);
        let name = format!("{program}-{}", self.started.get());
        Process::start(&name, command, self.folder.path()).unwrap()
    }

    /// A subscriber that the broker has answered.
    fn subscribe(&self, args: &[&str]) -> Subscriber {
        let mut all = vec!["-d", "-F", "%q %r %t|%p"];
        all.extend(args);
        let subscriber = Subscriber(self.start("mosquitto_sub", &all));
        subscriber.until("it is subscribed", |said| said.contains("Subscribed (mid"));
        subscriber
    }

    /// Publishes and returns when the broker has acknowledged.
    fn publish(&self, args: &[&str]) {
        let mut process = self.start("mosquitto_pub", args);
        let status = process.wait(WITHIN).unwrap();
        assert!(status.success(), "{args:?}: {status}\n{}", process.last_lines());
    }
}

impl Subscriber {
    fn until(&self, what: &str, seen: impl Fn(&str) -> bool) {
        until_blocking(what, WITHIN, || {
            let said = self.0.stdout();
            if seen(&said) { Ok(()) } else { Err(said) }
        });
    }

    /// The messages printed up to now.
    fn messages(&self) -> Vec<String> {
        let said = self.0.stdout();
        // What else it prints are words on packets; the last line may be half a line.
        let whole = said.rfind('\n').map_or("", |end| &said[..end]);
        whole.lines().filter(|line| line.contains('|')).map(str::to_owned).collect()
    }

    /// The messages up to one on `scene/end`, without it.
    fn messages_until_end(&self) -> Vec<String> {
        self.until("the last message comes", |said| said.contains("scene/end|"));
        let mut messages = self.messages();
        messages.retain(|message| !message.contains("scene/end|"));
        messages
    }

    fn leave(mut self) {
        self.0.signal(Signal::SIGTERM).unwrap();
        self.0.wait(WITHIN).unwrap();
    }
}

fn messages_of_each_promise_go_both_ways(clients: &Clients) {
    let subscribers =
        ["0", "1", "2"].map(|qos| (qos, clients.subscribe(&["-t", "scene/#", "-q", qos])));
    for qos in ["0", "1", "2"] {
        clients.publish(&["-t", "scene/größe", "-m", qos, "-q", qos]);
        clients.publish(&["-t", "scene/empty", "-n", "-q", qos]);
    }
    for (wanted, subscriber) in &subscribers {
        subscriber.until("all six have come", |said| said.matches('|').count() == 6);
        let mut expected = Vec::new();
        for sent in ["0", "1", "2"] {
            let qos = sent.min(wanted);
            expected.push(format!("{qos} 0 scene/empty|"));
            expected.push(format!("{qos} 0 scene/größe|{sent}"));
        }
        expected.sort();
        let mut messages = subscriber.messages();
        messages.sort();
        assert_eq!(messages, expected, "subscribed with {wanted}");
    }
}

fn a_retained_message_waits_until_it_is_deleted(clients: &Clients) {
    clients.publish(&["-t", "scene/kept", "-m", "old", "-q", "1", "-r"]);
    clients.publish(&["-t", "scene/kept", "-m", "new", "-q", "1", "-r"]);
    let second = clients.subscribe(&["-t", "scene/#", "-q", "1"]);
    clients.publish(&["-t", "scene/end", "-n", "-q", "1"]);
    assert_eq!(second.messages_until_end(), ["1 1 scene/kept|new"]);
    clients.publish(&["-t", "scene/kept", "-n", "-q", "1", "-r"]);
    let third = clients.subscribe(&["-t", "scene/#", "-q", "1"]);
    clients.publish(&["-t", "scene/end", "-n", "-q", "1"]);
    assert_eq!(third.messages_until_end(), [""; 0]);
}

fn a_will_is_published_for_the_killed_alone(clients: &Clients) {
    let heir = clients.subscribe(&["-t", "scene/#", "-q", "2"]);
    let will = |payload| ["-t", "x", "--will-topic", "scene/will", "--will-payload", payload];
    clients.subscribe(&will("never")).leave();
    let mut killed = clients.subscribe(&will("a house"));
    killed.0.kill9();
    heir.until("the will comes", |said| said.contains("scene/will|"));
    assert_eq!(heir.messages(), ["0 0 scene/will|a house"]);
}

fn a_second_client_of_an_id_ends_the_first(clients: &Clients) {
    let first = clients.subscribe(&["-t", "scene/#", "-i", "twin", "-q", "1"]);
    // It says no more of it than that it comes back.
    clients.publish(&["-t", "scene/end", "-n", "-i", "twin", "-q", "1"]);
    first.until("it is subscribed again", |said| said.matches("Subscribed (mid").count() >= 2);
}

fn a_session_keeps_what_comes_meanwhile(clients: &Clients) {
    let mut session = vec!["-t", "scene/#", "-i", "traveller", "-q", "1", "-c"];
    if clients.version == Version::V5 {
        session.extend(["-x", "300"]);
    }
    clients.subscribe(&session).leave();
    let numbers: Vec<String> = (0..5).map(|number| number.to_string()).collect();
    for number in &numbers {
        clients.publish(&["-t", "scene/post", "-m", number, "-q", "1"]);
    }
    let back = clients.subscribe(&session);
    clients.publish(&["-t", "scene/end", "-n", "-q", "1"]);
    let expected: Vec<String> = numbers.iter().map(|n| format!("1 0 scene/post|{n}")).collect();
    assert_eq!(back.messages_until_end(), expected);
    back.leave();

    clients.publish(&["-t", "scene/post", "-m", "never read", "-q", "1"]);
    let anew = clients.subscribe(&["-t", "scene/#", "-i", "traveller", "-q", "1"]);
    clients.publish(&["-t", "scene/end", "-n", "-q", "1"]);
    assert_eq!(anew.messages_until_end(), [""; 0]);
}

fn a_shared_subscription_divides_the_work(clients: &Clients) {
    let member = || {
        let filters = ["-t", "$share/team/scene/work", "-t", "scene/end"];
        clients.subscribe(&[&filters[..], &["-q", "1"]].concat())
    };
    let members = [member(), member()];
    let numbers: Vec<String> = (10..22).map(|number| number.to_string()).collect();
    for number in &numbers {
        clients.publish(&["-t", "scene/work", "-m", number, "-q", "1"]);
    }
    clients.publish(&["-t", "scene/end", "-n", "-q", "1"]);
    let shares = members.map(|member| member.messages_until_end());
    assert!(shares.iter().all(|share| !share.is_empty()), "one did it all: {shares:?}");
    let mut all = shares.concat();
    all.sort();
    let expected: Vec<String> = numbers.iter().map(|n| format!("1 0 scene/work|{n}")).collect();
    assert_eq!(all, expected);
}

fn an_expired_message_is_not_delivered(clients: &Clients) {
    let session = ["-t", "scene/#", "-i", "traveller", "-q", "1", "-c", "-x", "300"];
    clients.subscribe(&session).leave();
    let post = |payload, seconds| {
        let expiry = ["-D", "PUBLISH", "message-expiry-interval", seconds];
        clients.publish(&[&["-t", "scene/post", "-m", payload, "-q", "1"][..], &expiry].concat());
    };
    post("short", "1");
    post("long", "100");
    // It is a matter of the clock alone, and the broker gives no sign.
    let start = std::time::Instant::now();
    until_blocking("the first has expired", WITHIN, || start.elapsed() > Duration::from_secs(3));
    let back = clients.subscribe(&session);
    clients.publish(&["-t", "scene/end", "-n", "-q", "1"]);
    assert_eq!(back.messages_until_end(), ["1 0 scene/post|long"]);
}

fn a_topic_is_named_once(clients: &Clients) {
    let subscriber = clients.subscribe(&["-t", "scene/#", "-q", "1"]);
    let message = ["-t", "scene/long/name", "-m", "x", "-q", "1", "--repeat", "3"];
    let alias = ["-D", "PUBLISH", "topic-alias", "1"];
    clients.publish(&[&message[..], &alias].concat());
    clients.publish(&["-t", "scene/end", "-n", "-q", "1"]);
    assert_eq!(subscriber.messages_until_end(), ["1 0 scene/long/name|x"; 3]);
}

fn few_at_a_time_are_all_in_the_end(clients: &Clients) {
    let few = ["-D", "CONNECT", "receive-maximum", "2"];
    let slow = clients.subscribe(&[&["-t", "scene/#", "-q", "2"][..], &few].concat());
    clients.publish(&["-t", "scene/work", "-m", "x", "-q", "1", "--repeat", "30"]);
    clients.publish(&["-t", "scene/work", "-m", "y", "-q", "2", "--repeat", "30"]);
    slow.until("all have come", |said| said.matches('|').count() == 60);
    assert_eq!(slow.messages(), [["1 0 scene/work|x"; 30], ["2 0 scene/work|y"; 30]].concat());
}

fn what_is_too_large_for_a_client_passes_it_by(clients: &Clients) {
    let small = ["-D", "CONNECT", "maximum-packet-size", "200"];
    let small = clients.subscribe(&[&["-t", "scene/#", "-q", "1"][..], &small].concat());
    clients.publish(&["-t", "scene/large", "-m", &"x".repeat(500), "-q", "1"]);
    clients.publish(&["-t", "scene/small", "-m", "x", "-q", "1"]);
    clients.publish(&["-t", "scene/end", "-n", "-q", "1"]);
    assert_eq!(small.messages_until_end(), ["1 0 scene/small|x"]);
}

/// A test for each scenario, in each version that has what it is about.
macro_rules! scenarios {
    ($module:ident, $broker:ident: $($scenario:ident $versions:tt)+) => {
        mod $module {
            $(
                #[test]
                fn $scenario() {
                    use crate::broker::{Broker, Version::*};
                    for version in $versions {
                        super::$scenario(&super::Clients::new(Broker::$broker(), version));
                    }
                }
            )+
        }
    };
    ($module:ident, $broker:ident) => {
        scenarios! { $module, $broker:
            messages_of_each_promise_go_both_ways [V3, V5]
            a_retained_message_waits_until_it_is_deleted [V3, V5]
            a_will_is_published_for_the_killed_alone [V3, V5]
            a_second_client_of_an_id_ends_the_first [V3, V5]
            a_session_keeps_what_comes_meanwhile [V3, V5]
            a_shared_subscription_divides_the_work [V3, V5]
            an_expired_message_is_not_delivered [V5]
            a_topic_is_named_once [V5]
            few_at_a_time_are_all_in_the_end [V5]
            what_is_too_large_for_a_client_passes_it_by [V5]
        }
    };
}

scenarios! { and_ours, ours }
scenarios! { and_mosquitto, reference }
