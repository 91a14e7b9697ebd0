//! The broker from outside: in process, over the wire, with foreign clients, and over crashes.

mod clients;
mod in_process;
mod secured;
