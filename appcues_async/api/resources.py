"""All nouns of the API, made for one client."""

from __future__ import annotations

from appcues_async.api.activity import Activity
from appcues_async.api.analytics import Analytics
from appcues_async.api.checklists import Checklists
from appcues_async.api.experiences import Experiences
from appcues_async.api.exports import Exports
from appcues_async.api.flows import Flows
from appcues_async.api.gdpr import Gdpr
from appcues_async.api.groups import Groups
from appcues_async.api.imports import Imports
from appcues_async.api.jobs import Jobs
from appcues_async.api.screenshots import Screenshots
from appcues_async.api.segments import Segments
from appcues_async.api.tags import Tags
from appcues_async.api.users import Users
from appcues_async.recovery.starting import Starter
from appcues_async.wire.sender import Sender

__all__ = ["Resources"]


class Resources:
    """The nouns of the API, as attributes of a client."""

    activity: Activity
    analytics: Analytics
    checklists: Checklists
    experiences: Experiences
    exports: Exports
    flows: Flows
    gdpr: Gdpr
    groups: Groups
    imports: Imports
    jobs: Jobs
    screenshots: Screenshots
    segments: Segments
    tags: Tags
    users: Users

    def _hand_out_resources(self, sender: Sender, jobs: Jobs, starter: Starter) -> None:
        self.activity = Activity(sender)
        self.analytics = Analytics(sender, starter)
        self.checklists = Checklists(sender)
        self.experiences = Experiences(sender)
        self.exports = Exports(sender, starter)
        self.flows = Flows(sender)
        self.gdpr = Gdpr(sender)
        self.groups = Groups(sender)
        self.imports = Imports(starter)
        self.jobs = jobs
        self.screenshots = Screenshots(sender)
        self.segments = Segments(sender, starter)
        self.tags = Tags(sender)
        self.users = Users(sender, starter)
