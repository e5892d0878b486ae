"""A receiver of webhooks that knows nothing of the sensor's code: it verifies signatures with the standard library and
writes a line of JSON for each request. Arguments: port, secret file, output file, seconds that an answer takes."""

import base64
import hashlib
import hmac
import http.server
import json
import sys
import time

port, secret_file, out, pause = int(sys.argv[1]), sys.argv[2], sys.argv[3], float(sys.argv[4])
key = base64.b64decode(open(secret_file).read().strip().removeprefix("whsec_"))


class Receiver(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        arrived = time.time_ns()
        body = self.rfile.read(int(self.headers["content-length"]))
        ident, stamp = self.headers["webhook-id"], self.headers["webhook-timestamp"]
        signed = f"{ident}.{stamp}.".encode() + body
        mac = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
        line = {
            "arrived": arrived,
            "id": ident,
            "verified": f"v1,{mac}" in self.headers["webhook-signature"].split(),
            "fresh": abs(time.time() - int(stamp)) < 5,
            "body": json.loads(body),
        }
        time.sleep(pause)
        with open(out, "a") as file:
            file.write(json.dumps(line) + "\n")
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


http.server.ThreadingHTTPServer(("127.0.0.1", port), Receiver).serve_forever()
