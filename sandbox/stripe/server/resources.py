"""Every module that declares endpoints; importing this one fills the route table."""
