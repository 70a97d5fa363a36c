//! MQTT as a whole: the real program between devices, an outside broker and whoever reads.

mod backlog;
mod broker_killed;
mod commands;
mod gateway_killed;
mod hard_cases;
mod hard_names;
mod rude;
mod site;
mod writer;
