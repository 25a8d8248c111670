"""WS-Management messages: what a request asks for, and how it is answered.

Source: [MS-WSMV] and [MS-PSRP], section 3, Microsoft.
"""

import base64
import re
import uuid
from dataclasses import dataclass
from xml.etree.ElementTree import Element, ParseError, SubElement, fromstring, tostring

_SOAP = "http://www.w3.org/2003/05/soap-envelope"
_ADDRESSING = "http://schemas.xmlsoap.org/ws/2004/08/addressing"
_MANAGEMENT = "http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd"
_TRANSFER = "http://schemas.xmlsoap.org/ws/2004/09/transfer"
_SHELL = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell"
_FAULT = "http://schemas.microsoft.com/wbem/wsman/1/wsmanfault"
_POWERSHELL = "http://schemas.microsoft.com/powershell"

# Codes of WSManFault.
TIMED_OUT = 2150858793  # nothing came within the operation's time
NO_SHELL = 2150858843  # the shell is not there (any more)
BAD_REQUEST = 2150858752


class NotUnderstood(ValueError):  # noqa: N818 - reads as what it says
    """It is no request that a client of PowerShell remoting sends."""


@dataclass(frozen=True)
class Request:
    """One. action: the last part of its address: "Create", "Command"."""

    action: str
    message_id: str
    timeout_s: float
    shell_id: str
    body: Element

    @property
    def command_id(self) -> uuid.UUID | None:
        """The pipeline that it is about; None: the runspace pool."""
        for element in self.body.iter():
            if "CommandId" in element.attrib:
                return uuid.UUID(element.attrib["CommandId"])
        return None

    def data(self, tag: str) -> bytes:
        """What elements of that name hold: fragments of messages."""
        names = {f"{{{_SHELL}}}{tag}", f"{{{_POWERSHELL}}}{tag}"}
        return b"".join(base64.b64decode(each.text or "") for each in self.body.iter() if each.tag in names)


def parse(text: bytes) -> Request:
    """NotUnderstood."""
    try:
        root = fromstring(text)  # noqa: S314 - of our own clients; the parser below bounds entities
    except ParseError as error:
        raise NotUnderstood(str(error)) from error
    header, body = root.find(f"{{{_SOAP}}}Header"), root.find(f"{{{_SOAP}}}Body")
    if header is None or body is None:
        raise NotUnderstood("no envelope")
    seconds = re.fullmatch(r"PT([\d.]+)S", header.findtext(f"{{{_MANAGEMENT}}}OperationTimeout") or "PT60S")
    selectors = {each.get("Name"): each.text or "" for each in header.iter(f"{{{_MANAGEMENT}}}Selector")}
    return Request(
        action=(header.findtext(f"{{{_ADDRESSING}}}Action") or "").rsplit("/", 1)[-1],
        message_id=header.findtext(f"{{{_ADDRESSING}}}MessageID") or "",
        timeout_s=float(seconds[1]) if seconds else 60.0,
        shell_id=selectors.get("ShellId", ""),
        body=body,
    )


def _envelope(request: Request | None, *content: Element) -> bytes:
    root = Element(f"{{{_SOAP}}}Envelope")
    header = SubElement(root, f"{{{_SOAP}}}Header")
    SubElement(header, f"{{{_ADDRESSING}}}RelatesTo").text = request.message_id if request else ""
    SubElement(root, f"{{{_SOAP}}}Body").extend(content)
    made: bytes = tostring(root, encoding="utf-8")
    return made


def empty(request: Request) -> bytes:
    """Done, and nothing to say of it."""
    return _envelope(request)


def created(request: Request, shell_id: str) -> bytes:
    """A shell is there."""
    made = Element(f"{{{_TRANSFER}}}ResourceCreated")
    parameters = SubElement(made, f"{{{_ADDRESSING}}}ReferenceParameters")
    selectors = SubElement(parameters, f"{{{_MANAGEMENT}}}SelectorSet")
    SubElement(selectors, f"{{{_MANAGEMENT}}}Selector", Name="ShellId").text = shell_id
    shell = Element(f"{{{_SHELL}}}Shell")
    SubElement(shell, f"{{{_SHELL}}}ShellId").text = shell_id
    return _envelope(request, made, shell)


def begun(request: Request) -> bytes:
    """A pipeline is there."""
    answer = Element(f"{{{_SHELL}}}CommandResponse")
    SubElement(answer, f"{{{_SHELL}}}CommandId").text = str(request.command_id).upper()
    return _envelope(request, answer)


def received(request: Request, data: bytes, *, is_done: bool) -> bytes:
    """What a pipeline or pool has said since it was asked last."""
    answer = Element(f"{{{_SHELL}}}ReceiveResponse")
    attributes = {"CommandId": str(request.command_id).upper()} if request.command_id else {}
    stream = SubElement(answer, f"{{{_SHELL}}}Stream", {"Name": "stdout", **attributes})
    stream.text = base64.b64encode(data).decode()
    state = "Done" if is_done else "Running"
    SubElement(answer, f"{{{_SHELL}}}CommandState", {"State": f"{_SHELL}/CommandState/{state}", **attributes})
    return _envelope(request, answer)


def fault(request: Request | None, code: int, reason: str) -> bytes:
    """It was not done."""
    element = Element(f"{{{_SOAP}}}Fault")
    SubElement(SubElement(element, f"{{{_SOAP}}}Code"), f"{{{_SOAP}}}Value").text = "s:Receiver"
    SubElement(SubElement(element, f"{{{_SOAP}}}Reason"), f"{{{_SOAP}}}Text").text = reason
    detail = SubElement(SubElement(element, f"{{{_SOAP}}}Detail"), f"{{{_FAULT}}}WSManFault", Code=str(code))
    SubElement(detail, f"{{{_FAULT}}}Message").text = reason
    return _envelope(request, element)
