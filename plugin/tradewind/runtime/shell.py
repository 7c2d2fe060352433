"""Commands in images that may lack Python. Runs on the operator's side.

One constant shell script decides in the container: with `python3` the runtime takes over; without, the script
itself runs the command and hands back the parameter files. Everything that comes from a run travels as
positional arguments, never inside the script.
"""

from __future__ import annotations

from typing import Any

from tradewind.runtime.workspace import listed_artifacts

__all__ = ["escape", "wrap"]

# Arguments: bootstrap, chunks..., "--", names of artifacts, lines of "name path", command...
SCRIPT = r"""
if command -v python3 >/dev/null 2>&1; then
  b=$1; shift
  exec python3 -c "$b" "$@"
fi
log=${TRADEWIND_TERMINATION_LOG:-/dev/termination-log}
fail() {
  printf '{"protocol":1,"ok":false,"error":{"kind":"%s","type":"%s","message":"%s","traceback":""}}' \
    "$1" "$2" "$3" >"$log"
  echo "tradewind: failed ($1): $3"
  exit "$4"
}
while [ "$1" != -- ]; do shift; done
artifacts=$2; outputs=$3; shift 3
[ -z "$artifacts" ] ||
  fail protocol NeedsPython "The step has artifacts ($artifacts); for that the image needs python3, or \
has to be helped to one ([tradewind] helper_for)" 1
[ "${TRADEWIND_WORKDIR:-/tmp/tradewind}" = /tmp/tradewind ] ||
  fail protocol NeedsPython "python3 is needed in the image where TRADEWIND_WORKDIR is set" 1
printf '%s\n' "$outputs" | while read -r name path; do
  [ -z "$path" ] || mkdir -p "${path%/*}" || exit 1
done || fail output MakeDirectory "cannot make the directory of an output" 1
pid=; stopped=
trap 'stopped=1; [ -z "$pid" ] || kill -TERM "$pid" 2>/dev/null' TERM
"$@" <&0 &
pid=$!
[ -z "$stopped" ] || kill -TERM "$pid" 2>/dev/null
wait "$pid"; code=$?
while [ -n "$stopped" ] && kill -0 "$pid" 2>/dev/null; do wait "$pid"; code=$?; done
trap - TERM
[ -z "$stopped" ] || fail stopped StoppedError "Stopped by SIGTERM" 143
[ "$code" = 0 ] || fail user ExitCode "The command ended with exit code $code" "$code"
files=; comma=
while read -r name path; do
  [ -n "$name" ] || continue
  [ -f "$path" ] ||
    fail output OutputError "Output parameter '$name' is missing: the command did not write $path" 1
  content=$(base64 <"$path" | tr -d '\n')
  [ -n "$content" ] || [ ! -s "$path" ] ||
    fail output OutputError "The image has neither python3 nor base64" 1
  files="$files$comma\"$name\":\"$content\""; comma=,
done <<END
$outputs
END
result="{\"protocol\":1,\"ok\":true,\"files\":{$files}}"
[ "${#result}" -le 4096 ] ||
  fail output TooLarge "The output parameters exceed 4096 bytes; for that the image needs python3" 1
printf '%s' "$result" >"$log"
""".strip()


def wrap(task: dict[str, Any], bootstrap: str, chunks: list[str]) -> list[str]:
    """Return the container command that runs a task of kind "command" with or without Python."""
    inputs, outputs = (task.get("executor_input", {}).get(side, {}) for side in ("inputs", "outputs"))
    read = [name for name, artifact in listed_artifacts(inputs) if not artifact.get("unread")]
    artifacts = " ".join([*dict.fromkeys(read), *outputs.get("artifacts", {})])
    lines = [f"{name} {output['outputFile']}" for name, output in outputs.get("parameters", {}).items()]
    arguments = [bootstrap, *chunks, "--", artifacts, "\n".join(lines), *task.get("command", ())]
    return ["sh", "-c", escape(SCRIPT), "tradewind", *(escape(argument) for argument in arguments)]


def escape(argument: str) -> str:
    """Return the argument as Kubernetes must be given it, which would expand `$(NAME)` in commands."""
    return argument.replace("$", "$$")
