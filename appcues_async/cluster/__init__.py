"""A bulk run whose reading and sending happen on the workers of a Dask cluster.

    client.bulk.import_profiles("/shared/part-*.ndjson", workers=DaskWorkers(dask_client))

It needs the extra: `pip install 'appcues-async[dask]'`, here and on every worker.
"""

from __future__ import annotations

try:
    import distributed as _distributed
except ImportError:
    raise ImportError(
        "appcues_async.cluster needs Dask: pip install 'appcues-async[dask]', here and on every worker"
    ) from None

from appcues_async.cluster.workers import DaskWorkers

__all__ = ["DaskWorkers"]

del _distributed
