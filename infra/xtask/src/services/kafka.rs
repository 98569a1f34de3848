//! Apache Kafka, one node in KRaft mode.

use super::{free_port, wait_for_port};
use crate::{install, shell::Checked};
use std::{
    fs::{self, File},
    path::Path,
    process::{Command, Stdio},
};

/// Starts it; its pid and bootstrap address.
pub(super) fn start(directory: &Path) -> anyhow::Result<(u32, String)> {
    let libs = install::kafka()?;
    fs::create_dir_all(directory)?;
    let (broker, controller) = (free_port()?, free_port()?);
    let properties = directory.join("kraft.properties");
    fs::write(
        &properties,
        format!(
            "process.roles=broker,controller\n\
             node.id=1\n\
             controller.quorum.voters=1@127.0.0.1:{controller}\n\
             listeners=PLAINTEXT://127.0.0.1:{broker},CONTROLLER://127.0.0.1:{controller}\n\
             advertised.listeners=PLAINTEXT://127.0.0.1:{broker}\n\
             controller.listener.names=CONTROLLER\n\
             listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT\n\
             log.dirs={}\n\
             offsets.topic.replication.factor=1\n\
             offsets.topic.num.partitions=1\n\
             transaction.state.log.replication.factor=1\n\
             transaction.state.log.min.isr=1\n\
             share.coordinator.state.topic.replication.factor=1\n\
             share.coordinator.state.topic.min.isr=1\n\
             group.initial.rebalance.delay.ms=0\n\
             auto.create.topics.enable=false\n",
            directory.join("data").display()
        ),
    )?;
    let class_path = format!("{}/*", libs.display());
    let java = |memory: &str| {
        let mut command = Command::new("java");
        command.args([memory, "-cp", &class_path]);
        command
    };
    let cluster = java("-Xmx256m").args(["kafka.tools.StorageTool", "random-uuid"]).output_text()?;
    java("-Xmx256m")
        .args(["kafka.tools.StorageTool", "format", "-t", cluster.trim(), "-c"])
        .arg(&properties)
        .output_text()?;
    let log_path = directory.join("kafka.log");
    let log = File::create(&log_path)?;
    let child = java("-Xmx512m")
        .arg("kafka.Kafka")
        .arg(&properties)
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()?;
    wait_for_port("Kafka", child.id(), broker, &log_path)?;
    Ok((child.id(), format!("127.0.0.1:{broker}")))
}
