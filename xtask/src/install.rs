//! Installing Debian packages, as root or through sudo, without starting what they bring.

use std::process::Command;

use anyhow::{Context as _, Result, ensure};

/// Debian starts the services that it installs unless this program answers 101.
const POLICY: &str = "/usr/sbin/policy-rc.d";

/// One script, so that sudo asks once and an interrupt still restores the policy.
const SCRIPT: &str = include_str!("install.sh");

/// Installs `packages` with apt-get.
pub(crate) fn packages(packages: &[&str]) -> Result<()> {
    println!("==> apt-get install {}", packages.join(" "));
    let mut command = if is_root()? {
        Command::new("sh")
    } else {
        let mut sudo = Command::new("sudo");
        sudo.arg("sh");
        sudo
    };
    command.args(["-c", SCRIPT, "install.sh", POLICY]).args(packages);
    let status = command.status().context("could not start the shell that installs, or sudo")?;
    ensure!(status.success(), "installing {} ended with {status}", packages.join(", "));
    Ok(())
}

fn is_root() -> Result<bool> {
    let output = Command::new("id").arg("-u").output().context("could not run `id -u`")?;
    ensure!(output.status.success(), "`id -u` ended with {}", output.status);
    Ok(output.stdout.trim_ascii() == b"0")
}

#[cfg(test)]
mod tests {
    use super::SCRIPT;
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::{Path, PathBuf};
    use std::process::Command;

    /// A folder with an `apt-get` that notes what the policy answered while it ran.
    struct Machine(PathBuf);

    impl Machine {
        fn new(name: &str) -> Self {
            let folder = std::env::temp_dir().join(format!("xtask-{}-{name}", std::process::id()));
            fs::create_dir_all(&folder).unwrap();
            let apt = folder.join("apt-get");
            let body = "#!/bin/sh\nsh \"$POLICY\"; echo \"$1 answered $?\" >>\"$POLICY.seen\"\n\
                        case \"$*\" in *refused*) exit 100;; esac\n";
            fs::write(&apt, body).unwrap();
            fs::set_permissions(&apt, fs::Permissions::from_mode(0o755)).unwrap();
            Self(folder)
        }

        fn policy(&self) -> PathBuf {
            self.0.join("policy-rc.d")
        }

        fn install(&self, package: &str) -> bool {
            let path = format!("{}:{}", self.0.display(), std::env::var("PATH").unwrap());
            Command::new("sh")
                .args(["-c", SCRIPT, "install.sh"])
                .arg(self.policy())
                .arg(package)
                .env("PATH", path)
                .env("POLICY", self.policy())
                .status()
                .unwrap()
                .success()
        }

        fn seen(&self) -> String {
            fs::read_to_string(self.0.join("policy-rc.d.seen")).unwrap()
        }
    }

    impl Drop for Machine {
        fn drop(&mut self) {
            fs::remove_dir_all(&self.0).unwrap();
        }
    }

    fn write_policy(file: &Path, body: &str) {
        fs::write(file, body).unwrap();
        fs::set_permissions(file, fs::Permissions::from_mode(0o750)).unwrap();
    }

    #[test]
    fn services_are_held_back_and_no_policy_is_left_where_there_was_none() {
        let machine = Machine::new("none");
        assert!(machine.install("chromium"));
        assert_eq!(machine.seen(), "update answered 101\ninstall answered 101\n");
        assert!(!machine.policy().exists());
    }

    #[test]
    fn an_own_policy_comes_back_even_when_installing_fails() {
        let machine = Machine::new("own");
        let own = "#!/bin/sh\nexit 0\n";
        write_policy(&machine.policy(), own);
        assert!(!machine.install("refused"));
        assert!(machine.seen().ends_with("install answered 101\n"));
        assert_eq!(fs::read_to_string(machine.policy()).unwrap(), own);
        let mode = machine.policy().metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o750);
    }

    #[test]
    fn what_a_killed_run_left_behind_is_put_right() {
        let machine = Machine::new("killed");
        let own = "#!/bin/sh\nexit 104\n";
        write_policy(&machine.policy().with_extension("d.before-xtask"), own);
        write_policy(&machine.policy(), "#!/bin/sh\n# held back by cargo xtask\nexit 101\n");
        assert!(machine.install("curl"));
        assert_eq!(fs::read_to_string(machine.policy()).unwrap(), own);

        let machine = Machine::new("killed-none");
        write_policy(&machine.policy(), "#!/bin/sh\n# held back by cargo xtask\nexit 101\n");
        assert!(machine.install("curl"));
        assert!(!machine.policy().exists());
    }
}
