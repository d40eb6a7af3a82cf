"""Two IRC servers in C and C++: ngIRCd and InspIRCd, with their flood limits off."""

from __future__ import annotations

from bench.generator import Frame, Step
from bench.servers.peer import Peer, certificate, first_line, text


class Irc(Peer):
    echo = False

    def login(self, number: int, *, room: bool) -> list[Step]:
        steps = [Step(b"NICK u%d\r\nUSER u 0 * :u\r\n" % number, b" 001 ")]
        return [*steps, Step(b"JOIN #room\r\n", b" 366 ")] if room else steps

    def say(self, number: int) -> Frame:
        return Frame(b"PRIVMSG #room :" + text() + b"\r\n")

    def send(self, number: int, to: int) -> Frame:
        return Frame(b"PRIVMSG u%d :" % to + text() + b"\r\n")


NGIRCD = """[Global]
Name = irc.bench.test
Info = bench
Listen = 127.0.0.1
Ports = {port}
MotdFile = /dev/null
PidFile = {folder}/ngircd.pid
[Limits]
MaxConnections = 0
MaxConnectionsIP = 0
MaxJoins = 0
MaxPenaltyTime = 0
PingTimeout = 3600
PongTimeout = 3600
[Options]
DNS = no
Ident = no
PAM = no
ChrootDir =
[Channel]
Name = #room
"""


class Ngircd(Irc):
    name = "ngIRCd"
    program = "ngircd"
    package = "apt install ngircd"

    @classmethod
    def version(cls) -> str:
        return first_line("ngircd", "--version")

    def command(self) -> list[str]:
        config = self.folder / "ngircd.conf"
        config.write_text(NGIRCD.format(port=self.port, folder=self.folder))
        return ["ngircd", "--nodaemon", "--config", str(config)]


INSPIRCD = """<server name="irc.bench.test" description="bench" network="bench" id="001">
<admin name="bench" nick="bench" email="bench@bench.test">
<bind address="127.0.0.1" port="{port}" type="clients"{tls}>
<connect name="main" allow="*" timeout="120" pingfreq="3600" hardsendq="1G" softsendq="1G" recvq="1M"
  threshold="1000000" commandrate="1000000" fakelag="no" localmax="100000" globalmax="100000" maxconnwarn="no"
  useident="no" resolvehostnames="no" limit="100000" maxchans="100">
<performance netbuffersize="10240" somaxconn="4096" softlimit="100000" quietbursts="yes" clonesonconnect="no">
<options defaultmodes="nt" syntaxhints="no" cyclehosts="no">
<dns enabled="no" server="127.0.0.1" timeout="1">
<pid file="{folder}/inspircd.pid">
<files motd="/dev/null">
<class name="none"><type name="none" classes="none">
{module}
"""


class Inspircd(Irc):
    name = "InspIRCd"
    program = "inspircd"
    package = "apt install inspircd"
    can_tls = True

    @classmethod
    def version(cls) -> str:
        return first_line("inspircd", "--version")

    def command(self) -> list[str]:
        tls = module = ""
        if self.tls:
            cert, key = certificate(self.folder)
            tls = ' sslprofile="bench"'
            profile = f'provider="gnutls" certfile="{cert}" keyfile="{key}"'
            module = f'<module name="ssl_gnutls"><sslprofile name="bench" {profile}>'
        config = self.folder / "inspircd.conf"
        config.write_text(INSPIRCD.format(port=self.port, folder=self.folder, tls=tls, module=module))
        return ["inspircd", "--nofork", "--runasroot", "--nolog", "--config", str(config)]
