"""nginx as a pass-through, where it is installed."""

import asyncio
import contextlib
import socket

from .children import cpu_of

CONFIGURATION = """
daemon off; master_process off; pid {where}/nginx.pid; error_log {where}/nginx.log;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    client_body_temp_path {where}/body; proxy_temp_path {where}/proxy; fastcgi_temp_path {where}/fastcgi;
    uwsgi_temp_path {where}/uwsgi; scgi_temp_path {where}/scgi;
    upstream vendor {{ server 127.0.0.1:{vendor}; keepalive 256; }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://vendor/v1/call; proxy_http_version 1.1; proxy_set_header Connection "";
            proxy_method GET; proxy_pass_request_body off; proxy_set_header Content-Length "";
        }}
    }}
}}
"""


class Nginx:
    def __init__(self, process, port):
        self._pid = process.pid
        self.port = port

    def cpu(self):
        return cpu_of(self._pid)


@contextlib.asynccontextmanager
async def nginx(where, vendor_port):
    """nginx in front of the vendor, which answers everything with the live calls."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    path = where / "nginx.conf"
    path.write_text(CONFIGURATION.format(where=where, vendor=vendor_port, port=port))
    process = await asyncio.create_subprocess_exec("nginx", "-c", path, stderr=asyncio.subprocess.DEVNULL)
    try:
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                break
            except ConnectionRefusedError:
                if process.returncode is not None:
                    raise RuntimeError("nginx did not start") from None
                await asyncio.sleep(0.02)
        writer.close()
        yield Nginx(process, port)
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()
