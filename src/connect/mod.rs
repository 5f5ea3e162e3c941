//! Connected accounts: how they join and leave, and what they may do.
