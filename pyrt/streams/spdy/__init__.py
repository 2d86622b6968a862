"""SPDY/3.1 as Kubernetes speaks it: many streams over the one connection of an exec, an attachment or forwarded ports.

The protocol itself (:mod:`.frames`, :mod:`.session`) touches neither sockets nor the event loop; :mod:`.connection`
puts it onto one. The specification is draft 3.1 of the SPDY protocol; the other side is moby/spdystream, which knows
no flow control, so back-pressure is that of the connection.
"""
