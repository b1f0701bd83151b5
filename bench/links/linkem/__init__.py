"""A link emulator in user space: one TUN device in each of several network namespaces, one process between them.

        ns of a client               emulator process                 ns of the server
   wan0 10.77.1.2/32  --- up --->  [queue|rate|loss|delay] --->  srv0 10.77.0.1/16
                      <-- down --- [queue|rate|loss|delay] <---
   a second client: wan0 10.77.2.2 …: one link a client, each direction on its own

Needs root and iproute2, and neither netem nor any route to the host: nothing is joined to its network. IPv4 only.
`Network` is what a program uses; `python -m bench.links.linkem` is for a shell. Only the standard library is imported,
so that the emulator's process starts at once and stays small.
"""
