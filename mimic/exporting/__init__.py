"""Exports for game engines and the web: controller bundles, animation files and HTML pages."""
