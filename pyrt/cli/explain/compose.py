"""From a pod to its explanation, along the daemon's own way: translate, compile."""

from __future__ import annotations

from pyrt.cgroups.open import open_driver
from pyrt.cli.explain import placeholders
from pyrt.cli.explain.cgroups import cgroup_part, place
from pyrt.cli.explain.images import LocalImages, config_of, image_part
from pyrt.cli.explain.model import ContainerPart, Explanation, SandboxPart
from pyrt.cli.explain.objects import ExplainedFiles, LocalObjects
from pyrt.cli.explain.subject import Subject
from pyrt.cli.explain.volumes import volume_parts
from pyrt.config import Config
from pyrt.kube.container import Container
from pyrt.kube.pod import Pod
from pyrt.kube.qos import qos_class
from pyrt.launch.container import compile_container
from pyrt.launch.context import ContainerContext, OverlayRoot
from pyrt.launch.features import Features
from pyrt.launch.table import TARGET
from pyrt.launch.user import Identity
from pyrt.network import hostinfo, ruleset
from pyrt.network.ipam import Pool
from pyrt.network.types import Attachment
from pyrt.network.veth import attachment, host_name
from pyrt.pods.environment import Sources
from pyrt.pods.facts import NodeFacts, gather
from pyrt.pods.translate import container_config, sandbox_config
from pyrt.pods.volume_set import plan_volumes
from pyrt.runtime.config import ContainerConfig, NamespaceMode, SandboxConfig
from pyrt.runtime.container_spec import HostFacts, command_of, mount_sources
from pyrt.runtime.container_spec import container_config as container_spec
from pyrt.runtime.etc_files import hostname_text, hosts_text, resolv_text
from pyrt.runtime.mountpoints import root_layers
from pyrt.runtime.paths import RuntimePaths
from pyrt.runtime.resources import linux_resources
from pyrt.runtime.sandbox_plan import sandbox_places, sandbox_plan

FIRST = 0
"""The place in the address pool that serves as the example."""


class Composer:
    """Explains pods for one configuration."""

    def __init__(self, config: Config, local: LocalImages, objects: LocalObjects) -> None:
        self._config = config
        self._local = local
        self._objects = objects
        self._facts: NodeFacts = gather(config)
        self._paths = RuntimePaths.of(config)
        self._driver = open_driver(config.cgroup.driver, config.cgroup.parent)

    def explain(self, subject: Subject) -> Explanation:
        """Everything about one pod."""
        pod = subject.pod
        unknown = self._objects.imagine(pod)
        volumes = plan_volumes(pod, self._facts, self._objects)
        sandbox = sandbox_config(
            pod,
            self._facts,
            attempt=0,
            accepted_at=0,
            volumes=volumes,
            user_namespace=self._facts.id_ranges[0] if pod.spec.host_users is False else None,
        )
        link = None if sandbox.network is NamespaceMode.NODE else self._attachment(sandbox)
        addresses = link.addresses if link is not None else self._facts.addresses
        containers = []
        for kind, container in containers_of(pod):
            found = self._local.find(container.image)
            image = placeholders.image(
                container.image, config_of(found), int(found.get("layerCount") or 0) if found is not None else 0
            )
            config = container_config(
                pod,
                container,
                self._facts,
                attempt=0,
                image=image,
                volumes=volumes,
                addresses=addresses,
                sources=Sources(self._objects, ExplainedFiles()),
            )
            containers.append(self._container(kind, sandbox, config, known=found is not None))
        images = {container.image: container.image_pull_policy for _, container in containers_of(pod)}
        return Explanation(
            namespace=pod.metadata.namespace,
            name=pod.metadata.name,
            qos_class=str(getattr(qos_class(pod), "value", qos_class(pod))),
            images=tuple(image_part(name, policy, self._config, self._local) for name, policy in images.items()),
            sandbox=self._sandbox(sandbox, link, addresses),
            addresses=link.description if link is not None else (),
            cgroup=cgroup_part(self._driver, sandbox.cgroup_parent, linux_resources(sandbox.resources)),
            nftables=self._nftables(sandbox, link),
            containers=tuple(containers),
            volumes=volume_parts(pod, self._facts, self._objects, volumes),
            unknown=unknown,
            warnings=subject.warnings,
            origin=subject.origin,
        )

    def _attachment(self, sandbox: SandboxConfig) -> Attachment:
        network = self._config.network
        ipv4, ipv6 = Pool(network.ipv4, network.ipv6).addresses(FIRST)
        return attachment(
            name=host_name(network.interface_prefix, placeholders.SANDBOX),
            mtu=network.mtu or hostinfo.default_mtu(),
            ipv4=ipv4,
            ipv6=ipv6,
            kernel_has_ipv6=hostinfo.has_ipv6(),
            route_localnet=bool(sandbox.host_ports),
        )

    def _nftables(self, sandbox: SandboxConfig, link: Attachment | None) -> tuple[str, ...]:
        if link is None:
            return ()
        elements = ruleset.elements(sandbox.host_ports, link.ipv4, link.ipv6)
        return tuple(ruleset.add_elements(self._config.network.nft_table, elements).splitlines())

    def _sandbox(self, config: SandboxConfig, link: Attachment | None, addresses: tuple[str, ...]) -> SandboxPart:
        places = sandbox_places(self._paths, placeholders.SANDBOX)
        plan = sandbox_plan(config, places, place(self._driver, config.cgroup_parent, pod=True), link)
        modes = (("net and uts", config.network), ("ipc", config.ipc), ("pid", config.pid))
        return SandboxPart(
            hostname=config.hostname,
            namespaces=tuple(f"{name}: {WHOSE[mode]}" for name, mode in modes),
            files={
                "/etc/hosts": hosts_text(config, addresses, self._facts.host_hosts),
                "/etc/resolv.conf": resolv_text(config.dns, ""),
                "/etc/hostname": hostname_text(config, self._config.node.effective_name),
            },
            plan=tuple(plan.describe()[1:]),
        )

    def _container(self, kind: str, sandbox: SandboxConfig, config: ContainerConfig, *, known: bool) -> ContainerPart:
        user = identity_of(config)
        spec = container_spec(sandbox, config, sandbox_places(self._paths, placeholders.SANDBOX), user, HostFacts())
        directory = self._paths.container(config.name)
        path = f"{sandbox.cgroup_parent}/{config.name}"
        context = ContainerContext(
            root=OverlayRoot(
                layers=tuple(map(placeholders.shown, root_layers(config, self._paths.mountpoints))),
                upper=f"{directory}/upper",
                work=f"{directory}/work",
                mountpoint=directory,
            ),
            cgroup=place(self._driver, path),
            features=Features(),
            sources=mount_sources(config),
            join_pid=TARGET if sandbox.pid is NamespaceMode.POD else None,
            user_namespace=sandbox.user_namespace,
        )
        plan = compile_container(spec, context)
        resources = spec.linux.resources if spec.linux is not None and spec.linux.resources is not None else None
        return ContainerPart(
            name=config.name,
            kind=kind,
            image=config.image_ref,
            command=command_of(config),
            log=str(sandbox.log_directory / config.log_path),
            cgroup=cgroup_part(self._driver, path, resources or linux_resources(config.resources)),
            plan=tuple(plan.describe()),
            unknown=(placeholders.UNKNOWN_LAYERS,) if known else (placeholders.UNKNOWN_IMAGE,),
            warnings=plan.warnings,
        )


WHOSE = {
    NamespaceMode.POD: "the pod's own, shared by its containers",
    NamespaceMode.CONTAINER: "each container's own",
    NamespaceMode.NODE: "the host's",
}


def containers_of(pod: Pod) -> list[tuple[str, Container]]:
    """(kind, container) in the order of starting."""
    init = [
        ("sidecar" if container.restart_policy == "Always" else "init container", container)
        for container in pod.spec.init_containers
    ]
    return [*init, *(("container", container) for container in pod.spec.containers)]


def identity_of(config: ContainerConfig) -> Identity:
    """Who the process is, as far as numbers are given; names are looked up in the image when it runs."""
    security = config.security
    user, _, group = config.image.config.user.partition(":")
    uid = security.run_as_user if security.run_as_user is not None else int(user) if user.isdecimal() else 0
    gid = security.run_as_group if security.run_as_group is not None else int(group) if group.isdecimal() else 0
    return Identity(uid=uid, gid=gid, groups=tuple(security.supplemental_groups))
