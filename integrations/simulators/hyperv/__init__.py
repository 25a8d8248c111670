"""A Hyper-V host to try with: WS-Management and PowerShell remoting over real HTTPS, and VMs whose files are real.

A real client of PowerShell remoting talks to it. The messages themselves are read and written by `psrpcore`, a library
that has the server's side of the protocol; envelopes, logins, cmdlets and VMs are this package's own. What it knows of
Hyper-V is what Microsoft's documentation of the cmdlets says, as we read it: nothing boots, and no real host was asked.
"""

from integrations.simulators.hyperv.faults import Faults
from integrations.simulators.hyperv.host import Host
from integrations.simulators.hyperv.machine import Card, Drive, Dvd, Machine
from integrations.simulators.hyperv.server import PsrpServer

__all__ = ["Card", "Drive", "Dvd", "Faults", "Host", "Machine", "PsrpServer"]
