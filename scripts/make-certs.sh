#!/usr/bin/env bash
# `make certs`: makes a key and a certificate for tests, for localhost, 127.0.0.1 and ::1, as certs/key.pem and certs/cert.pem. Only the owner
# may read them. Ones that are valid for another day are kept. A certificate by another recipe may stand in their place.
set -euo pipefail

dir=${1:-certs}
if ! command -v openssl >/dev/null; then
  echo "make certs: openssl is missing. Install it (Debian: apt-get install openssl), or put a certificate and its key" >&2
  echo "make certs: into $dir/cert.pem and $dir/key.pem" >&2
  exit 1
fi
if [[ -s $dir/key.pem ]] && openssl x509 -in "$dir/cert.pem" -noout -checkend 86400 >/dev/null 2>&1; then
  echo "$dir/cert.pem and $dir/key.pem are there and valid. Delete them to make new ones."
  exit 0
fi
umask 077
mkdir -p "$dir"
openssl req -x509 -newkey rsa:2048 -nodes -days 365 -subj /CN=localhost \
  -addext subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1 -keyout "$dir/key.pem.new" -out "$dir/cert.pem.new" 2>/dev/null
mv "$dir/key.pem.new" "$dir/key.pem"
mv "$dir/cert.pem.new" "$dir/cert.pem"
echo "made $dir/cert.pem and $dir/key.pem, for tests"
