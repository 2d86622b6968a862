"""nginx: Debian's, without modules, with its libraries over the busybox layer; behaves as upstream's image does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rootfs.layer import Layer
from rootfs.layout import Image
from rootfs.recipes import busybox

if TYPE_CHECKING:
    from rootfs.build import Kit

NAMES = ("docker.io/library/nginx:latest",)

_PACKAGES = ("nginx", "nginx-common", "libc6", "libcrypt1", "libpcre2-8-0", "libssl3", "zlib1g")

_CONF = """\
user www-data;
worker_processes auto;
error_log /var/log/nginx/error.log notice;
pid /run/nginx.pid;

events {
    worker_connections 1024;
}

http {
    include /etc/nginx/mime.types;
    default_type application/octet-stream;
    access_log /var/log/nginx/access.log;
    sendfile on;
    keepalive_timeout 65;
    include /etc/nginx/conf.d/*.conf;
}
"""

_SITE = """\
server {
    listen 80;
    listen [::]:80;
    server_name localhost;
    location / {
        root /usr/share/nginx/html;
        index index.html index.htm;
    }
}
"""

_PAGE = """\
<!DOCTYPE html>
<html>
<head><title>Welcome to nginx!</title></head>
<body>
<h1>Welcome to nginx!</h1>
<p>If you see this page, the nginx web server is successfully installed and working.</p>
</body>
</html>
"""


def _wanted(path: str) -> bool:
    """Programs, libraries and types; no documentation, service files or snippets."""
    unwanted = (
        "usr/share/",
        "usr/lib/x86_64-linux-gnu/gconv",
        "usr/lib/aarch64-linux-gnu/gconv",
        "etc/nginx/sites-",
        "etc/nginx/modules-",
        "etc/nginx/snippets",
        "etc/nginx/nginx.conf",
        "etc/nginx/conf.d",
        "etc/init.d",
        "etc/logrotate.d",
        "etc/ufw",
        "etc/ld.so.conf.d",
        "etc/default",
        "lib/systemd",
        "usr/lib/nginx/modules",
        "var/www",
        "var/log",
    )
    return not f"{path}/".startswith(unwanted)


def image(kit: Kit, base: Layer, port: int = 80) -> Image:
    """Three layers: busybox, the packages, the configuration and page."""
    programs = Layer().tree(kit.packages(*_PACKAGES), _wanted)
    site = Layer()
    for path in ("etc", "etc/nginx", "etc/nginx/conf.d", "usr", "usr/share", "usr/share/nginx", "var", "var/log"):
        site.directory(path)
    for path in ("usr/share/nginx/html", "var/log/nginx", "var/lib", "var/lib/nginx", "run"):
        site.directory(path)
    site.symlink("var/log/nginx/access.log", "/dev/stdout").symlink("var/log/nginx/error.log", "/dev/stderr")
    # Where older images have the file of the pid.
    site.symlink("var/run", "../run")
    site.file("etc/nginx/nginx.conf", _CONF).file("etc/nginx/conf.d/default.conf", _SITE.replace("80;", f"{port};"))
    site.file("usr/share/nginx/html/index.html", _PAGE)
    config = {
        "Cmd": ["nginx", "-g", "daemon off;"],
        "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
        "ExposedPorts": {f"{port}/tcp": {}},
        "StopSignal": "SIGQUIT",
    }
    return Image([base, programs, site], config)


def build(kit: Kit) -> None:
    """One image."""
    kit.layout.name(kit.layout.image(image(kit, busybox.layer(kit))), *NAMES)
