import os
import signal
import subprocess
import sys
from contextlib import suppress

STARTED = """
import os, time
from workers.replay.processes import Processes

if __name__ == "__main__":
    with Processes(2) as processes:
        processes.submit(time.sleep, 600)
        processes.submit(os.getpid).result()  # and has nothing to do from here on
        print("started", flush=True)
        time.sleep(600)
"""


def test_processes_do_not_outlive_the_one_that_started_them(tmp_path):
    script = tmp_path / "started.py"
    script.write_text(STARTED)
    parent = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, start_new_session=True)
    try:
        assert parent.stdout.readline() == b"started\n"
        parent.kill()
        parent.communicate(timeout=60)  # its output ends with the last process that could write to it
    finally:
        parent.kill()
        with suppress(ProcessLookupError):
            os.killpg(parent.pid, signal.SIGKILL)
        parent.communicate()
