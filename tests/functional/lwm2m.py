"""LwM2M TLV (OMA TS Core 7.4.3) read by code of its own: the tests' second opinion on what the appliance sends."""


def decode_tlv(data):
    """A list of (kind, id, value); kind is one of instance, resource-instance, multiple, resource."""
    kinds = ("instance", "resource-instance", "multiple", "resource")
    items, at = [], 0
    while at < len(data):
        head = data[at]
        at += 1
        width = 2 if head & 0x20 else 1
        ident = int.from_bytes(data[at:at + width], "big")
        at += width
        length_width = head >> 3 & 3
        length = head & 7
        if length_width:
            length = int.from_bytes(data[at:at + length_width], "big")
            at += length_width
        if at + length > len(data):
            raise ValueError(f"item {ident} is longer than its payload")
        value = data[at:at + length]
        at += length
        kind = kinds[head >> 6]
        items.append((kind, ident, decode_tlv(value) if kind in ("instance", "multiple") else value))
    return items


def resources(data):
    """{id: bytes} of an instance's TLV; a multiple resource becomes {id: {instance: bytes}}."""
    return {ident: {i: v for _, i, v in value} if kind == "multiple" else value
            for kind, ident, value in decode_tlv(data)}


def integer(data):
    return int.from_bytes(data, "big", signed=True)
