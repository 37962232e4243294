//! Station: job states, store, operators, audit and the supervision of the other processes.
