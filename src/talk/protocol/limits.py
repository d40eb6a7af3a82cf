"""Every bound that two sides have to agree on, with its unit. What one side keeps stands there."""

PROTOCOL_VERSION = 1
SUBPROTOCOL = "talk.v1"
SERVICE_TYPE = "_talk-chat._tcp"  # under which servers are announced on a network (RFC 6763 section 7)
DEFAULT_PORT = 7433

# Text
MAX_TEXT_POINTS = 4_000  # Unicode code points
MAX_TEXT_BYTES = 16_000  # UTF-8 bytes
MAX_NAME_POINTS = 32  # Unicode code points
MAX_TITLE_BYTES = 63  # UTF-8 bytes of a chat's title: a label of DNS (RFC 6763 section 4.1.1)

# JSON
MAX_NESTING = 16  # objects and lists in each other, wherever it comes from outside

# Frames, in bytes of UTF-8 JSON
MAX_FRAME_BEFORE_LOGIN = 8 * 1024
MAX_FRAME = 512 * 1024
MAX_PARTIAL_FRAMES = 64 * 1024 * 1024  # of all connections together
MAX_PAGE = 64 * 1024  # what is written at once to somebody who is catching up

# Commands
MAX_UNANSWERED = 64  # commands per connection
MAX_WAITING_BYTES = 2 * 1024 * 1024  # of the commands of a connection whose turn has not come
MAX_HISTORY = 200  # events in one answer
MAX_QUERY = 50  # accounts or names in one query
MAX_PEOPLE = 1_000  # people in one frame
MAX_BEHIND = 1_000  # events; who is further behind gets a gap and the last GAP_TAIL
GAP_TAIL = 200  # events
MAX_ACK_UNDECRYPTABLE = 1_000  # mail numbers in one ack
MAX_UNACKED = 100  # mails whose ack stands out although there is nothing to wait for

# Keys and mail
MAX_DEVICES = 8  # per account
MAX_ONE_TIME_KEYS = 100  # held by the server per device
MAX_SEALED = 32 * 1024  # bytes of one sealed content
MAX_MAILBOX = 10_000  # messages waiting for one device
MAX_MAILBOX_PER_SENDER = 1_000  # of them from one account
MAIL_LIFETIME_MS = 30 * 24 * 3600 * 1000

# Time, in seconds
PING_AFTER = 25.0  # of silence
DEAD_AFTER = 60.0  # of silence
LOGIN_WITHIN = 15.0  # of the connection's start
LEFT_AFTER = 15.0  # without a connection, before others are told
RECEIPTS_WITHIN = 1.0  # receipts are gathered for this long
ACKS_WITHIN = 1.0  # so long an ack may stand out, for more mail to come under it

# Invites
INVITE_DAYS = 7
INVITE_USES = 25

MAX_NUMBER = 2**53 - 1  # what every JSON reader keeps exact (RFC 8259 section 6)
