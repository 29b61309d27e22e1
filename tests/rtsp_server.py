"""A real RTSP server, run by the system's Python, which alone has GStreamer's bindings.

usage: rtsp_server.py PORT CLIP [USER:PASSWORD]

Serves the H.264 video of CLIP (MP4) as rtsp://127.0.0.1:PORT/live, and again from the beginning when it ends.
"""

import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402


def report_often(_: object, media: GstRtspServer.RTSPMedia) -> None:
    """Send RTCP reports every half second, where the standard asks for about five."""
    media.connect(
        "prepared", lambda it: it.get_stream(0).get_rtpsession().set_property("rtcp-min-interval", 500_000_000)
    )


def main() -> None:
    port, clip = sys.argv[1:3]
    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(port)
    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_launch(
        f'( filesrc location="{clip}" ! qtdemux ! h264parse config-interval=-1 ! rtph264pay name=pay0 pt=96 )'
    )
    factory.set_shared(True)
    factory.connect("media-configure", report_often)
    server.get_mount_points().add_factory("/live", factory)
    if len(sys.argv) > 3:
        auth = GstRtspServer.RTSPAuth()
        token = GstRtspServer.RTSPToken()
        token.set_string(GstRtspServer.RTSP_TOKEN_MEDIA_FACTORY_ROLE, "user")
        user, password = sys.argv[3].split(":")
        auth.add_basic(GstRtspServer.RTSPAuth.make_basic(user, password), token)
        server.set_auth(auth)
        permissions = GstRtspServer.RTSPPermissions()
        permissions.add_permission_for_role("user", GstRtspServer.RTSP_PERM_MEDIA_FACTORY_ACCESS, True)
        permissions.add_permission_for_role("user", GstRtspServer.RTSP_PERM_MEDIA_FACTORY_CONSTRUCT, True)
        factory.set_permissions(permissions)
    server.attach(None)
    print("ready", flush=True)
    GLib.MainLoop().run()


main()
