"""A process for each job, so many at a time, which is the parent of everything that the job's programs leave behind."""
import os
import pickle
import select
import signal

import launched_run


class Workers:
    def __init__(self, count):
        self.free = list(range(1, count + 1))  # numbers for what must not be shared by two jobs at a time
        self.running = {}                      # read end of the pipe that the result comes through: (process, number, nth)

    def start(self, nth, job):
        number = self.free.pop(0)
        read_end, write_end = os.pipe()
        process = os.fork()
        if process == 0:
            status = 1
            try:
                os.close(read_end)
                launched_run.become_reaper()
                signal.signal(signal.SIGINT, signal.SIG_IGN)
                signal.signal(signal.SIGTERM, launched_run.end_all)
                with os.fdopen(write_end, "wb") as result:
                    pickle.dump(job(number), result)
                status = 0
            except Exception:
                import traceback
                traceback.print_exc()
            finally:
                os._exit(status)
        os.close(write_end)
        self.running[read_end] = (process, number, nth)

    def take(self):
        """The next (nth, result)."""
        read_end = select.select(list(self.running), [], [])[0][0]
        with os.fdopen(read_end, "rb") as pipe:
            data = pipe.read()
        process, number, nth = self.running.pop(read_end)
        os.waitpid(process, 0)
        self.free.append(number)
        if not data:
            raise RuntimeError("a worker ended without a result")
        return nth, pickle.loads(data)

    def results(self, jobs):
        """(nth, result) of every job, as they end. A job is a function of the number that it has to itself."""
        jobs = enumerate(jobs)
        more = True
        try:
            while more or self.running:
                while more and self.free:
                    nth, job = next(jobs, (None, None))
                    more = job is not None
                    if more:
                        self.start(nth, job)
                if self.running:
                    yield self.take()
        finally:
            self.end()

    def results_in_order(self, jobs):
        waiting, due = {}, 0
        for nth, result in self.results(jobs):
            waiting[nth] = result
            while due in waiting:
                yield waiting.pop(due)
                due += 1

    def end(self):
        """Ends the jobs that still run, and what they started."""
        for read_end, (process, _, _) in self.running.items():
            os.close(read_end)
            launched_run.send(process, signal.SIGTERM)
        for process, _, _ in self.running.values():
            os.waitpid(process, 0)
        self.running.clear()
