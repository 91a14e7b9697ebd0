//! Groups as a state machine and transactions over a broker.
