"""Customer.io's manual segments, on the same wire as the rest.

::

    async with CustomerIOClient(site_id, api_key, region="eu") as cio:
        report = await cio.segments.add_customers(7, "ids.csv")
        report.raise_for_failures()
"""

from appcues_async.customerio.client import CustomerIOClient
from appcues_async.customerio.ids import Ids, IdType
from appcues_async.customerio.report import FailedChunk, SegmentReport
from appcues_async.customerio.segments import Segments

__all__ = ["CustomerIOClient", "FailedChunk", "IdType", "Ids", "SegmentReport", "Segments"]
