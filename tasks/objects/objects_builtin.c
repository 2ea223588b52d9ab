/*
 * The objects every bootstrap server knows: facts of the OMA registry (lwm2m-registry, 0.xml to
 * 7.xml, and what accounts refer to: 21.xml, 23.xml, 24.xml). Names of these objects never changed
 * between versions, so the newest version stands for all.
 *
 * Two departures: names have their blanks collapsed ("LWM2M  Server URI" has two in the registry),
 * and Lifetime stays the Integer it was up to 1.1 (Unsigned in 1.2): what a signed reader
 * understands, an unsigned one does, too.
 */
#include "tasks/objects/objects_internal.h"

/* Columns: id, name, type, flags, range of the value (of the length for strings and opaque). */
#define RESOURCE(number, text, kind, ...)                                                          \
	{                                                                                          \
		.id = (number), .name = (text), .type = LWM2M_##kind, __VA_ARGS__                  \
	}
#define MANDATORY       .mandatory = true
#define MULTIPLE        .multiple = true
#define RANGE(from, to) .has_range = true, .min = (from), .max = (to)

static const struct resource_def security[] = {
	RESOURCE(0, "LWM2M Server URI", STRING, MANDATORY, RANGE(0, 255)),
	RESOURCE(1, "Bootstrap-Server", BOOLEAN, MANDATORY),
	RESOURCE(2, "Security Mode", INTEGER, MANDATORY, RANGE(0, 4)),
	RESOURCE(3, "Public Key or Identity", OPAQUE, MANDATORY),
	RESOURCE(4, "Server Public Key", OPAQUE, MANDATORY),
	RESOURCE(5, "Secret Key", OPAQUE, MANDATORY),
	RESOURCE(6, "SMS Security Mode", INTEGER, RANGE(0, 255)),
	RESOURCE(7, "SMS Binding Key Parameters", OPAQUE, RANGE(6, 6)),
	RESOURCE(8, "SMS Binding Secret Key(s)", OPAQUE, RANGE(16, 48)),
	RESOURCE(9, "LwM2M Server SMS Number", STRING),
	RESOURCE(10, "Short Server ID", INTEGER, RANGE(1, 65534)),
	RESOURCE(11, "Client Hold Off Time", INTEGER),
	RESOURCE(12, "Bootstrap-Server Account Timeout", INTEGER),
	RESOURCE(13, "Matching Type", UNSIGNED, RANGE(0, 3)),
	RESOURCE(14, "SNI", STRING),
	RESOURCE(15, "Certificate Usage", UNSIGNED, RANGE(0, 3)),
	RESOURCE(16, "DTLS/TLS Ciphersuite", UNSIGNED, MULTIPLE, RANGE(0, 65535)),
	RESOURCE(17, "OSCORE Security Mode", OBJLNK),
	RESOURCE(18, "Groups To Use by Client", UNSIGNED, MULTIPLE, RANGE(0, 65535)),
	RESOURCE(19, "Signature Algorithms Supported by Server", UNSIGNED, MULTIPLE,
		 RANGE(0, 65535)),
	RESOURCE(20, "Signature Algorithms To Use by Client", UNSIGNED, MULTIPLE, RANGE(0, 65535)),
	RESOURCE(21, "Signature Algorithm Certs Supported by Server", UNSIGNED, MULTIPLE,
		 RANGE(0, 65535)),
	RESOURCE(22, "TLS 1.3 Features To Use by Client", UNSIGNED, RANGE(0, 65535)),
	RESOURCE(23, "TLS Extensions Supported by Server", UNSIGNED, RANGE(0, 65535)),
	RESOURCE(24, "TLS Extensions To Use by Client", UNSIGNED, RANGE(0, 65535)),
	RESOURCE(25, "Secondary LwM2M Server URI", STRING, MULTIPLE, RANGE(0, 255)),
	RESOURCE(26, "MQTT Server", OBJLNK),
	RESOURCE(27, "LwM2M COSE Security", OBJLNK, MULTIPLE),
	RESOURCE(28, "RDS Destination Port", INTEGER, RANGE(0, 15)),
	RESOURCE(29, "RDS Source Port", INTEGER, RANGE(0, 15)),
	RESOURCE(30, "RDS Application ID", STRING),
};

static const struct resource_def server[] = {
	RESOURCE(0, "Short Server ID", INTEGER, MANDATORY, RANGE(1, 65534)),
	RESOURCE(1, "Lifetime", INTEGER, MANDATORY),
	RESOURCE(2, "Default Minimum Period", INTEGER),
	RESOURCE(3, "Default Maximum Period", INTEGER),
	RESOURCE(4, "Disable", NONE),
	RESOURCE(5, "Disable Timeout", INTEGER),
	RESOURCE(6, "Notification Storing When Disabled or Offline", BOOLEAN, MANDATORY),
	RESOURCE(7, "Binding", STRING, MANDATORY),
	RESOURCE(8, "Registration Update Trigger", NONE, MANDATORY),
	RESOURCE(9, "Bootstrap-Request Trigger", NONE),
	RESOURCE(10, "APN Link", OBJLNK),
	RESOURCE(11, "TLS-DTLS Alert Code", UNSIGNED, RANGE(0, 255)),
	RESOURCE(12, "Last Bootstrapped", TIME),
	RESOURCE(13, "Registration Priority Order", UNSIGNED),
	RESOURCE(14, "Initial Registration Delay Timer", UNSIGNED),
	RESOURCE(15, "Registration Failure Block", BOOLEAN),
	RESOURCE(16, "Bootstrap on Registration Failure", BOOLEAN),
	RESOURCE(17, "Communication Retry Count", UNSIGNED),
	RESOURCE(18, "Communication Retry Timer", UNSIGNED),
	RESOURCE(19, "Communication Sequence Delay Timer", UNSIGNED),
	RESOURCE(20, "Communication Sequence Retry Count", UNSIGNED),
	RESOURCE(21, "Trigger", BOOLEAN),
	RESOURCE(22, "Preferred Transport", STRING),
	RESOURCE(23, "Mute Send", BOOLEAN),
	RESOURCE(24, "Alternate APN Links", OBJLNK, MULTIPLE),
	RESOURCE(25, "Supported Server Versions", STRING, MULTIPLE),
	RESOURCE(26, "Default Notification Mode", INTEGER, RANGE(0, 1)),
	RESOURCE(27, "Profile ID Hash Algorithm", INTEGER, RANGE(0, 255)),
};

static const struct resource_def access_control[] = {
	RESOURCE(0, "Object ID", INTEGER, MANDATORY, RANGE(1, 65534)),
	RESOURCE(1, "Object Instance ID", INTEGER, MANDATORY, RANGE(0, 65535)),
	RESOURCE(2, "ACL", INTEGER, MULTIPLE, RANGE(0, 31)),
	RESOURCE(3, "Access Control Owner", INTEGER, MANDATORY, RANGE(0, 65535)),
};

static const struct resource_def device[] = {
	RESOURCE(0, "Manufacturer", STRING),
	RESOURCE(1, "Model Number", STRING),
	RESOURCE(2, "Serial Number", STRING),
	RESOURCE(3, "Firmware Version", STRING),
	RESOURCE(4, "Reboot", NONE, MANDATORY),
	RESOURCE(5, "Factory Reset", NONE),
	RESOURCE(6, "Available Power Sources", INTEGER, MULTIPLE, RANGE(0, 7)),
	RESOURCE(7, "Power Source Voltage", INTEGER, MULTIPLE),
	RESOURCE(8, "Power Source Current", INTEGER, MULTIPLE),
	RESOURCE(9, "Battery Level", INTEGER, RANGE(0, 100)),
	RESOURCE(10, "Memory Free", INTEGER),
	RESOURCE(11, "Error Code", INTEGER, MULTIPLE, MANDATORY, RANGE(0, 32)),
	RESOURCE(12, "Reset Error Code", NONE),
	RESOURCE(13, "Current Time", TIME),
	RESOURCE(14, "UTC Offset", STRING),
	RESOURCE(15, "Timezone", STRING),
	RESOURCE(16, "Supported Binding and Modes", STRING, MANDATORY),
	RESOURCE(17, "Device Type", STRING),
	RESOURCE(18, "Hardware Version", STRING),
	RESOURCE(19, "Software Version", STRING),
	RESOURCE(20, "Battery Status", INTEGER, RANGE(0, 6)),
	RESOURCE(21, "Memory Total", INTEGER),
	RESOURCE(22, "ExtDevInfo", OBJLNK, MULTIPLE),
};

static const struct resource_def connectivity_monitoring[] = {
	RESOURCE(0, "Network Bearer", INTEGER, MANDATORY, RANGE(0, 50)),
	RESOURCE(1, "Available Network Bearer", INTEGER, MULTIPLE, MANDATORY, RANGE(0, 50)),
	RESOURCE(2, "Radio Signal Strength", INTEGER, MANDATORY),
	RESOURCE(3, "Link Quality", INTEGER),
	RESOURCE(4, "IP Addresses", STRING, MULTIPLE, MANDATORY),
	RESOURCE(5, "Router IP Addresses", STRING, MULTIPLE),
	RESOURCE(6, "Link Utilization", INTEGER, RANGE(0, 100)),
	RESOURCE(7, "APN", STRING, MULTIPLE),
	RESOURCE(8, "Cell ID", INTEGER),
	RESOURCE(9, "SMNC", INTEGER, RANGE(0, 999)),
	RESOURCE(10, "SMCC", INTEGER, RANGE(0, 999)),
	RESOURCE(11, "SignalSNR", INTEGER),
	RESOURCE(12, "LAC", INTEGER),
	RESOURCE(13, "Coverage Enhancement Level", INTEGER, RANGE(0, 4)),
};

static const struct resource_def firmware_update[] = {
	RESOURCE(0, "Package", OPAQUE, MANDATORY),
	RESOURCE(1, "Package URI", STRING, MANDATORY, RANGE(0, 255)),
	RESOURCE(2, "Update", NONE, MANDATORY),
	RESOURCE(3, "State", INTEGER, MANDATORY, RANGE(0, 3)),
	RESOURCE(5, "Update Result", INTEGER, MANDATORY, RANGE(0, 11)),
	RESOURCE(6, "PkgName", STRING, RANGE(0, 255)),
	RESOURCE(7, "PkgVersion", STRING, RANGE(0, 255)),
	RESOURCE(8, "Firmware Update Protocol Support", INTEGER, MULTIPLE, RANGE(0, 5)),
	RESOURCE(9, "Firmware Update Delivery Method", INTEGER, MANDATORY, RANGE(0, 2)),
	RESOURCE(10, "Cancel", NONE),
	RESOURCE(11, "Severity", INTEGER, RANGE(0, 2)),
	RESOURCE(12, "Last State Change Time", TIME),
	RESOURCE(13, "Maximum Defer Period", UNSIGNED),
};

static const struct resource_def location[] = {
	RESOURCE(0, "Latitude", FLOAT, MANDATORY),
	RESOURCE(1, "Longitude", FLOAT, MANDATORY),
	RESOURCE(2, "Altitude", FLOAT),
	RESOURCE(3, "Radius", FLOAT),
	RESOURCE(4, "Velocity", OPAQUE),
	RESOURCE(5, "Timestamp", TIME, MANDATORY),
	RESOURCE(6, "Speed", FLOAT),
};

static const struct resource_def connectivity_statistics[] = {
	RESOURCE(0, "SMS Tx Counter", INTEGER),    RESOURCE(1, "SMS Rx Counter", INTEGER),
	RESOURCE(2, "Tx Data", INTEGER),           RESOURCE(3, "Rx Data", INTEGER),
	RESOURCE(4, "Max Message Size", INTEGER),  RESOURCE(5, "Average Message Size", INTEGER),
	RESOURCE(6, "Start", NONE, MANDATORY),     RESOURCE(7, "Stop", NONE, MANDATORY),
	RESOURCE(8, "Collection Period", INTEGER),
};

/* Version 2.0: the strings of 1.x are opaque. */
static const struct resource_def oscore[] = {
	RESOURCE(0, "OSCORE Master Secret", OPAQUE, MANDATORY),
	RESOURCE(1, "OSCORE Sender ID", OPAQUE, MANDATORY),
	RESOURCE(2, "OSCORE Recipient ID", OPAQUE, MANDATORY),
	RESOURCE(3, "OSCORE AEAD Algorithm", INTEGER),
	RESOURCE(4, "OSCORE HMAC Algorithm", INTEGER),
	RESOURCE(5, "OSCORE Master Salt", OPAQUE),
	RESOURCE(6, "OSCORE ID Context", OPAQUE),
};

static const struct resource_def cose[] = {
	RESOURCE(0, "KID", STRING, MANDATORY),
	RESOURCE(1, "AEAD Algorithm", INTEGER, MANDATORY),
	RESOURCE(2, "Key", STRING, MANDATORY),
};

static const struct resource_def mqtt_server[] = {
	RESOURCE(0, "Will Retain", BOOLEAN),
	RESOURCE(1, "Will Topic", STRING),
	RESOURCE(2, "Will Message", STRING),
	RESOURCE(3, "Clean Session", BOOLEAN),
	RESOURCE(4, "Will QoS", UNSIGNED, RANGE(0, 3)),
	RESOURCE(5, "Keep Alive", UNSIGNED, RANGE(0, 65535)),
	RESOURCE(6, "Client Identifier", STRING, MANDATORY),
	RESOURCE(7, "User Name", STRING),
	RESOURCE(8, "Password", OPAQUE),
};

#define OBJECT(number, text, version_text, table, ...)                                             \
	{                                                                                          \
		.id = (number), .name = (text), .version = (version_text), .resources = (table),   \
		.n_resources = sizeof(table) / sizeof *(table), __VA_ARGS__                        \
	}

const struct object_def objects_builtin[] = {
	OBJECT(0, "LWM2M Security", "1.2", security, MULTIPLE, MANDATORY),
	OBJECT(1, "LwM2M Server", "1.2", server, MULTIPLE, MANDATORY),
	OBJECT(2, "LwM2M Access Control", "1.1", access_control, MULTIPLE),
	OBJECT(3, "Device", "1.2", device, MANDATORY),
	OBJECT(4, "Connectivity Monitoring", "1.3", connectivity_monitoring),
	OBJECT(5, "Firmware Update", "1.1", firmware_update),
	OBJECT(6, "Location", "1.0", location),
	OBJECT(7, "Connectivity Statistics", "1.0", connectivity_statistics),
	OBJECT(21, "LWM2M OSCORE", "2.0", oscore, MULTIPLE),
	OBJECT(23, "LwM2M COSE", "1.0", cose, MULTIPLE),
	OBJECT(24, "MQTT Server", "1.0", mqtt_server, MULTIPLE),
};

const unsigned objects_n_builtin = sizeof objects_builtin / sizeof *objects_builtin;
