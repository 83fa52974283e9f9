# Sourced: sets `python` to the first Python >= 3.11 on PATH.
for python in python3 python3.14 python3.13 python3.12 python3.11; do
  command -v "$python" >/dev/null && "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && break
  python=
done
if [ -z "$python" ]; then
  echo "Python 3.11 or newer is needed, and is not on PATH." >&2
  exit 1
fi
